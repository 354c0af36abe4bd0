import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from soundflow_data.errors import RunError
from soundflow_data.shards import Claim, LocalStorage, ShardPlan, claim_shards, write_bytes
from soundflow_data.shards.lock import living_claims

PLAN = ShardPlan({"train": 100, "validation": 20}, 10)

HOLDER = textwrap.dedent("""
    import sys, time
    from pathlib import Path
    from soundflow_data.shards import LocalStorage, ShardPlan, claim_shards
    plan = ShardPlan({"train": 100, "validation": 20}, 10)
    with claim_shards(LocalStorage(Path(sys.argv[1])), plan, range(int(sys.argv[2]), int(sys.argv[3]))):
        print("claimed", flush=True)
        sys.stdin.readline()
""")


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    return LocalStorage(tmp_path / "out")


@pytest.fixture
def holder(storage: LocalStorage) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the shards 2:5."""
    command = [sys.executable, "-c", HOLDER, str(storage.root), "2", "5"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "claimed\n"
        yield process
        process.kill()


def claims(storage: LocalStorage) -> list[str]:
    return [path for path in storage.list("lock/") if path.endswith(".json")]


def test_overlapping_pieces_are_refused(storage: LocalStorage, holder: subprocess.Popen[str]) -> None:
    for shards in (range(12), range(4, 6), range(3), range(3, 4)):
        with pytest.raises(RunError) as caught, claim_shards(storage, PLAN, shards):
            pass
        message = str(caught.value)
        assert f"shards 2:5 are being made by process {holder.pid} on {os.uname().nodename} since 2" in message
        assert f"this run wants {shards.start}:{shards.stop}" in message
    assert len(claims(storage)) == 1


def test_disjoint_pieces_run_side_by_side(storage: LocalStorage, holder: subprocess.Popen[str]) -> None:
    with claim_shards(storage, PLAN, range(2)), claim_shards(storage, PLAN, range(5, 12)):
        assert len(claims(storage)) == 3
    assert len(claims(storage)) == 1
    holder.communicate("done\n", timeout=20)
    assert claims(storage) == []
    with claim_shards(storage, PLAN, range(12)) as claimed:
        assert claimed.taken_over == ()


def test_who_is_at_work(storage: LocalStorage, holder: subprocess.Popen[str]) -> None:
    assert [(claim.pid, claim.start, claim.stop) for claim in living_claims(storage)] == [(holder.pid, 2, 5)]
    holder.kill()
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)
    assert living_claims(storage) == ()


def test_claim_of_a_killed_process_is_taken_over(storage: LocalStorage, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    os.waitid(os.P_PID, holder.pid, os.WEXITED | os.WNOWAIT)  # dead, but still a zombie
    with claim_shards(storage, PLAN, range(12)) as claimed:
        assert [(claim.pid, claim.start, claim.stop) for claim in claimed.taken_over] == [(holder.pid, 2, 5)]
        assert len(claims(storage)) == 1
    assert claims(storage) == []


def test_claim_is_given_back_after_an_error(storage: LocalStorage) -> None:
    with pytest.raises(KeyError), claim_shards(storage, PLAN, range(12)):
        raise KeyError
    assert claims(storage) == []


def _claim(**changes: object) -> bytes:
    claim = Claim(host="elsewhere", boot="b", pid=1, started="1", since="2026-01-01T00:00:00+00:00", start=0, stop=3)
    return msgspec.json.encode(msgspec.structs.replace(claim, **changes))


def test_claim_of_another_host_is_respected(storage: LocalStorage) -> None:
    write_bytes(storage, "lock/0-3-00.json", _claim())
    with pytest.raises(RunError, match=r"on elsewhere .* surely gone, remove lock/0-3-00\.json"):
        claim_shards(storage, PLAN, range(12)).__enter__()
    with claim_shards(storage, PLAN, range(3, 12)) as claimed:
        assert claimed.taken_over == ()


def test_claim_from_before_a_restart_is_taken_over(storage: LocalStorage) -> None:
    here = os.uname().nodename
    write_bytes(storage, "lock/0-3-00.json", _claim(host=here, pid=os.getpid()))  # the same process id, another start
    with claim_shards(storage, PLAN, range(12)) as claimed:
        assert [claim.boot for claim in claimed.taken_over] == ["b"]


def test_damaged_claim_is_an_error(storage: LocalStorage) -> None:
    write_bytes(storage, "lock/0-3-00.json", b"{")
    with pytest.raises(RunError, match=r"lock/0-3-00\.json: not a claim"), claim_shards(storage, PLAN, range(12)):
        pass


def _leave(storage: LocalStorage, path: str) -> str:
    temporary = f"{path}.tmp-0123456789abcdef"
    place = storage.root / temporary
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(b"half")
    return temporary


def test_cleaning_leaves_the_files_of_a_living_run(storage: LocalStorage, holder: subprocess.Popen[str]) -> None:
    mine = _leave(storage, PLAN[6].tar)
    theirs = [_leave(storage, PLAN[3].table("events")), _leave(storage, "README.md")]
    with claim_shards(storage, PLAN, range(5, 12)) as claimed:
        assert claimed.cleaned == (mine,)
    assert sorted(leftover.temporary for leftover in storage.leftovers()) == sorted(theirs)


def test_cleaning_alone_takes_everything(storage: LocalStorage) -> None:
    left = {_leave(storage, PLAN[6].tar), _leave(storage, PLAN[3].receipt), _leave(storage, "README.md")}
    with claim_shards(storage, PLAN, range(2)) as claimed:
        assert set(claimed.cleaned) == left
    assert storage.leftovers() == []
