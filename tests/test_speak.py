"""Speaking a recipe: what is needed, made once, proved, kept, found again; and what becomes of what cannot be made."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest
from speech_tools import LICENCE, ToneAligner, ToneEngine, ToneTools, tones, words_of, write_voices
from typer.testing import CliRunner

from soundflow_data.bank import Bank
from soundflow_data.corpus import Corpus
from soundflow_data.errors import BankError, Drop, RecipeError, RunError, SpeechError
from soundflow_data.recipe import VOICES, LoadedRecipe, load_recipe
from soundflow_data.speech import Speech, Voice, load_voices
from soundflow_data.speech.assemble import UTTERANCES
from soundflow_data.speech.making import Failed, Made, Maker, Rules, Tools, Wanted
from soundflow_data.speech.sanity import AudioLimits, check_speech
from soundflow_data.speech.spoken_bank import SpokenBank
from soundflow_data.timeline import Word
from soundflow_pipelines.cli import app
from soundflow_pipelines.executor import InProcess, LocalProcesses
from soundflow_pipelines.needs import check_spoken
from soundflow_pipelines.ray_executor import RayActors
from soundflow_pipelines.speak import Speaking, open_speaking, without_bank

pytestmark = pytest.mark.timeout(240)  # many processes and imports, on machines that others use as well

MakeRecipe = Callable[..., LoadedRecipe]
SMALL: dict[str, Any] = {
    "streams": 6,
    "splits": {"train": 1.0},
    "languages": {"en": 1.0},
    "subtasks": {"voice_chatting/factual_qa": 0.5, "streaming_instruction_following/event_counting": 0.5},
    "limits": {"max_drop_share": 1.0},
}


def soundflow(*words: object, code: int | None = 0) -> str:
    result = CliRunner(env={"COLUMNS": "100"}).invoke(app, [str(word) for word in words])
    assert code is None or result.exit_code == code, f"{result.exit_code}: {result.output}"
    return result.stdout if "--json" in words else result.output


@pytest.fixture(scope="module")
def small(make_recipe: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> LoadedRecipe:
    voices = write_voices(tmp_path_factory.mktemp("voices") / "voices.yaml")
    return make_recipe(**SMALL, voices={"manifest": str(voices)})


@pytest.fixture
def tools(tmp_path: Path) -> ToneTools:
    return ToneTools(log=tmp_path / "asked.txt")


def start(loaded: LoadedRecipe, sounds: Bank, out: Path, tools: ToneTools, **options: Any) -> Speaking:
    return open_speaking(without_bank(loaded), {"sounds": sounds}, out, tools, **{"piece": 4, **options})


def fill(loaded: LoadedRecipe, sounds: Bank, out: Path, tools: ToneTools, **options: Any) -> Speaking:
    job = start(loaded, sounds, out, tools, **options)
    with job.claim():
        job.fill(InProcess())
    return job


def with_bank(loaded: LoadedRecipe, out: Path, sounds: Bank) -> Corpus:
    corpus = Corpus(load_recipe(loaded.path, [f"voices.bank={out}"]), {"sounds": sounds, VOICES: Bank.open(out)})
    check_spoken(corpus)
    return corpus


def members(folder: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(folder.rglob("*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                file = tar.extractfile(member)
                assert isinstance(file, io.BufferedReader)
                found[member.name] = file.read()
    return found


# -- end to end ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def spoken(make_recipe: MakeRecipe, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A recipe of all languages, and the bank that espeak filled for it."""
    recipe = make_recipe(streams=4, streams_per_shard=4, splits={"train": 1.0}).path
    bank = tmp_path_factory.mktemp("spoken") / "speech"
    text = soundflow("speak", recipe, "--out", bank, "--workers", "1")
    assert "generated (espeak-ng)" in text
    assert f"--set voices.bank={bank}" in text
    return recipe, bank


def test_streams_of_a_spoken_bank_are_those_of_its_engine(spoken: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bank = spoken
    common = ("--executor", "local", "--workers", "1", "--no-picture")
    soundflow("run", recipe, tmp_path / "direct", *common)
    soundflow("run", recipe, tmp_path / "banked", "--set", f"voices.bank={bank}", *common)
    direct, banked = members(tmp_path / "direct"), members(tmp_path / "banked")
    assert direct.keys() == banked.keys()
    for name, data in direct.items():
        assert banked[name].replace(b'"bank":"voices"', b'"bank":"espeak"') == data, name
    assert "generated (espeak-ng)" in soundflow("stats", tmp_path / "banked")
    verdict = json.loads(soundflow("check", tmp_path / "banked", "--json", code=None))  # so few streams fail others
    assert [one["ok"] for one in verdict["results"] if one["check"] == "grounded"] == [True]
    first = next(iter(banked)).partition(".")[0]
    soundflow("rerender", tmp_path / "banked", first)


BLOCKED = """
import sys

class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("ray", "torch", "torchaudio", "TTS", "whisperx", "transformers", "espeakng_loader"):
            raise ModuleNotFoundError(f"{name} is blocked in this test")

sys.meta_path.insert(0, Blocker())
from soundflow_pipelines.cli.app import app
app(sys.argv[1:])
"""


def test_a_spoken_bank_needs_no_engine(spoken: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bank = spoken
    words = ["run", recipe, tmp_path / "out", "--executor", "local", "--workers", "1", "--no-picture"]
    command = [sys.executable, "-c", BLOCKED, *map(str, words)]
    done = subprocess.run([*command, "--set", f"voices.bank={bank}"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(members(tmp_path / "out")) == 8
    without = subprocess.run(
        [*command[:5], str(tmp_path / "x"), *command[6:]], capture_output=True, text=True, check=False
    )
    assert without.returncode == 1  # the blocker does block the engine


def test_what_is_there_is_known_without_planning(spoken: tuple[Path, Path]) -> None:
    recipe, bank = spoken
    found = json.loads(soundflow("speak", recipe, "--out", bank, "--json"))
    assert found["rounds"] == 0
    assert found["utterances"]["spoken"] == 0
    assert found["utterances"]["there"] == found["utterances"]["in_bank"] > 0
    source = SpokenBank(Bank.open(bank)).source
    assert source.engine == "espeak"
    assert [one.recipe for one in source.complete_for] == ["tiny"]
    fewer = json.loads(soundflow("speak", recipe, "--out", bank, "--set", "streams=3", "--json"))
    assert fewer["rounds"] == 0  # part of what is complete is complete


def test_plan_and_run_say_what_a_bank_lacks(spoken: tuple[Path, Path], tmp_path: Path) -> None:
    recipe, bank = spoken
    setting = f"voices.bank={bank}"
    text = soundflow("plan", recipe, "--set", setting, "--set", "seed=6", code=1)
    assert "lacks" in text
    assert "of 4 streams need, such as" in text
    assert "soundflow speak" in text
    assert "lacks" in soundflow("run", recipe, tmp_path / "out", "--set", setting, "--set", "seed=6", code=1)
    assert not (tmp_path / "out").exists()
    nowhere = soundflow("run", recipe, tmp_path / "out", "--set", f"voices.bank={tmp_path / 'none'}", code=1)
    assert "is not there yet; fill it with `soundflow speak" in nowhere
    assert "utterances" in soundflow("plan", recipe, "--set", setting)


def test_a_bank_shows_how_its_utterances_were_proved(spoken: tuple[Path, Path]) -> None:
    text = soundflow("bank", "show", spoken[1])
    assert "spoken by espeak" in text
    assert "complete for tiny" in text
    (row,) = json.loads(soundflow("bank", "show", spoken[1], "--json"))["proof"]
    assert (row["aligner"], row["checked_by"], row["licence"]) == ("engine", "", "generated (espeak-ng)")
    assert row["utterances"] == len(Bank.open(spoken[1]))
    assert row["retried"] == 0


def test_help_tells_the_options_of_the_engines() -> None:
    text = soundflow("speak", "--help")
    assert "Example" in text
    assert all(name in text for name in ("coqui", "espeak", "folder", "http", "concurrency", "max_characters"))


# -- once, whatever happens ------------------------------------------------------------------------------------------


def test_nothing_is_made_twice(small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools) -> None:
    job = fill(small, sounds, tmp_path / "bank", tools)
    asked = tools.asked()
    assert len(asked) == len(set(asked)) == job.spoken
    fill(small, sounds, tmp_path / "bank", tools)
    assert tools.asked() == asked
    more = load_recipe(small.path, ["streams=12"])
    fill(more, sounds, tmp_path / "bank", tools)
    assert len(tools.asked()) == len(set(tools.asked())) > len(asked)


def _fill_and_die(loaded: LoadedRecipe, sounds: Bank, out: Path, tools: ToneTools) -> None:
    fill(loaded, sounds, out, tools)


def test_a_killed_job_goes_on_to_the_same_bytes(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    import multiprocessing  # noqa: PLC0415

    whole = fill(small, sounds, tmp_path / "whole" / "bank", ToneTools(log=tmp_path / "whole.txt"), piece=64)
    dying = msgspec.structs.replace(tools, die_after=10)
    process = multiprocessing.get_context("spawn").Process(
        target=_fill_and_die, args=(small, sounds, tmp_path / "bank", dying)
    )
    process.start()
    process.join(50)
    assert process.exitcode == -9
    before = tools.asked()
    assert not (tmp_path / "bank").exists()
    fill(small, sounds, tmp_path / "bank", tools)
    twice = len(tools.asked()) - len(set(tools.asked()))
    assert 0 < twice <= 4  # the piece that was lost
    assert len(before) > twice
    assert whole.info is not None
    for path in (tmp_path / "whole" / "bank").iterdir():
        assert path.read_bytes() == (tmp_path / "bank" / path.name).read_bytes(), path.name


def test_processes_load_models_once_and_give_the_same(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    one = fill(small, sounds, tmp_path / "one", ToneTools(log=tmp_path / "one.txt")).info
    job = start(small, sounds, tmp_path / "two", tools)
    crew = LocalProcesses(2, keep=True)
    with job.claim():
        job.fill(crew)
    crew.close()
    assert one is not None
    assert job.info is not None
    assert job.info.fingerprint == one.fingerprint
    assert tools.lines().count("open") <= 1 + 2  # the driver, and each worker


def test_ray_actors_load_models_once(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray", reason="Ray is not installed")
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))  # actors find the engine of this test there
    job = start(small, sounds, tmp_path / "bank", tools, piece=2)
    actors = RayActors(2)
    try:
        with job.claim():
            list(job.plan(InProcess()))
            pieces = list(job.speak(actors))
        assert actors.name == "Ray, 2 actors"
        failing = [outcome.failure for outcome in actors.run(_fail, range(3))]
        assert {one.message for one in failing if one is not None} == {"0 is odd", "1 is odd", "2 is odd"}
    finally:
        actors.close()
    assert len(pieces) > 4
    assert all(piece.failure is None for piece in pieces)
    assert tools.lines().count("open") == 1 + 2
    assert len(tools.asked()) == len(set(tools.asked()))


def _fail(number: int) -> int:
    raise RunError(f"{number} is odd")


# -- proof -----------------------------------------------------------------------------------------------------------


def test_a_second_attempt_mends_what_the_first_has_broken(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    job = fill(small, sounds, tmp_path / "bank", msgspec.structs.replace(tools, silent={"?": 1}))
    questions = [line for line in tools.asked() if "?" in line]
    assert questions
    assert job.retried == len(questions) / 2
    assert not job.failed
    bank = Bank.open(tmp_path / "bank")
    table = pq.read_table(bank.path / UTTERANCES).to_pylist()
    assert [row["id"] for row in table] == [clip.id for clip in bank] == sorted(row["id"] for row in table)
    for row, clip in zip(table, bank, strict=True):
        assert row["attempts"] == (2 if "?" in row["text"] else 1)
        assert (row["text"], row["voice"], row["licence"]) == (clip.text, clip.speaker, LICENCE)
        assert (row["engine"], row["engine_version"], row["aligner"]) == ("tones", "tones-1", "engine")
        assert not row["checked"]
        voice = Voice(id=clip.speaker, engine="tones", language="en", model="tone", licence=LICENCE)
        np.testing.assert_array_equal(bank.pcm(clip.row), tones(clip.text, voice, row["attempts"] - 1))
        assert clip.words == words_of(clip.text, clip.num_samples)


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"silent": {"?": 9}}, "silent"),
        ({"refused": ("?",)}, "refused"),
        ({"misheard": ("?",)}, "not understood"),
        ({"exact": False, "unaligned": ("?",)}, "words missing"),
    ],
)
def test_what_stays_broken_drops_its_streams(
    broken: dict[str, Any], reason: str, small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    out = tmp_path / "bank"
    job = fill(small, sounds, out, msgspec.structs.replace(tools, **broken))
    assert set(job.failed) == {reason}
    tries = [line for line in tools.asked() if "?" in line]
    assert len(tries) == 3 * job.failed[reason]  # at most 2 retries
    spoken = SpokenBank(Bank.open(out))
    assert set(spoken.failed.values()) == {reason}
    assert job.drops == {f"speech: {reason}": job.drops.total()}
    corpus = with_bank(small, out, sounds)
    dropped = []
    for index in range(6):
        try:
            timeline = corpus.compose(corpus.spec("train", index))
        except Drop as drop:
            dropped.append(drop.reason)
        else:
            assert not any("?" in event.text for event in timeline.events)
            assert corpus.render(timeline).any()
    assert dropped == [f"speech: {reason}"] * job.drops.total()
    assert dropped
    asked = tools.asked()
    known = start(small, sounds, out, tools)
    assert known.recall()
    assert known.drops == job.drops
    assert not start(load_recipe(small.path, ["streams=5"]), sounds, out, tools).recall()  # which of the six drop?
    fill(small, sounds, out, tools)
    assert tools.asked() == asked  # what has failed is not tried again ...
    mended = fill(small, sounds, out, tools, again=True)
    assert len(tools.asked()) == len(asked) + len(spoken.failed)  # ... unless somebody says so
    assert not mended.drops
    assert not SpokenBank(Bank.open(out)).failed


def test_checked_utterances_say_by_whom(small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools) -> None:
    fill(small, sounds, tmp_path / "bank", msgspec.structs.replace(tools, exact=False, misheard=()))
    for row in pq.read_table(tmp_path / "bank" / UTTERANCES).to_pylist():
        assert row["checked"]
        assert (row["checked_by"], row["wer"], row["aligner"]) == ("ear 1", 0.0, "counter 2")
        assert row["min_score"] == 0.5
        assert row["mean_score"] == pytest.approx(sum(row["scores"]) / len(row["scores"]))


def test_an_engine_without_word_times_needs_an_aligner(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    with pytest.raises(RunError, match="does not tell when it says each word; give an aligner"):
        fill(small, sounds, tmp_path / "bank", msgspec.structs.replace(tools, exact=False, aligns=False))
    assert not (tmp_path / "bank").exists()


def test_an_engine_that_fails_everywhere_stops_the_job(
    make_recipe: MakeRecipe, small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    many = load_recipe(small.path, ["streams=80"])
    with pytest.raises(RunError, match=r"utterances are broken \(.* x refused\), more than 25%"):
        fill(many, sounds, tmp_path / "bank", msgspec.structs.replace(tools, refused=("a", "e", "i")), piece=32)


def test_a_tool_that_does_not_work_gives_no_utterance_up(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    with pytest.raises(RunError, match="the model is gone"):
        fill(small, sounds, tmp_path / "bank", msgspec.structs.replace(tools, model_gone=True))
    with pytest.raises(BankError, match=r"not one utterance could be made \(refused\)"):
        fill(small, sounds, tmp_path / "bank", msgspec.structs.replace(tools, refused=("",)))
    assert not (tmp_path / "bank").exists()
    job = fill(small, sounds, tmp_path / "bank", tools)
    assert job.spoken
    assert not SpokenBank(Bank.open(tmp_path / "bank")).failed


def test_stages_work_at_the_same_time() -> None:
    second = threading.Event()

    class Speaker(ToneEngine):
        def __init__(self) -> None:
            self.batches = 0

        def speak_many(self, requests: Sequence[Any]) -> list[Speech | SpeechError]:
            self.batches += 1
            if self.batches == 2:
                second.set()
            return [Speech(pcm=tones(one.text, one.voice), words=()) for one in requests]

    class Waiting(ToneAligner):
        def align(self, items: Sequence[Any]) -> list[Any]:
            assert second.wait(30), "the second batch is spoken only when the first is aligned"
            return super().align(items)

    voice = Voice(id="en-0", engine="tones", language="en", model="tone", licence=LICENCE)
    wanted = [Wanted(address=str(i), text=f"Text number {i}.", voice=voice) for i in range(8)]
    maker = Maker(Tools(engine=Speaker(), aligner=Waiting()), Rules(), batch=2)
    results = maker.make(wanted)
    maker.close()
    assert [one.wanted for one in results] == wanted
    assert all(isinstance(one, Made) and one.aligner == "counter 2" for one in results)
    assert all(maker.seconds[stage] > 0 for stage in ("speak", "align"))


def test_empty_text_is_not_asked_for(tools: ToneTools) -> None:
    voice = load_voices("en")[0]
    maker = Maker(tools.open(), Rules())
    (result,) = maker.make([Wanted(address="0", text=" ... ", voice=voice)])
    maker.close()
    assert isinstance(result, Failed)
    assert result.reason == "empty text"
    assert not tools.asked()


TEXT = "This is a sentence of nine words in all."


def broken_speech(what: str) -> Speech:
    pcm = tones(TEXT, Voice(id="en-0", engine="tones", language="en", model="tone", licence=LICENCE))
    words = words_of(TEXT, len(pcm))
    match what:
        case "silent":
            pcm = np.zeros(0, np.int16)
        case "clipped":
            pcm = np.clip(8 * pcm.astype(np.int32), -32_768, 32_767).astype(np.int16)
        case "too short":
            pcm, words = pcm[: len(pcm) // 5], ()
        case "too long":
            pcm = np.tile(pcm, 6)
        case "bad word times":
            words = (Word(text="This", start=0, end=len(pcm) + 1),)
    return Speech(pcm=pcm, words=words)


@pytest.mark.parametrize("reason", ["silent", "clipped", "too short", "too long", "bad word times"])
def test_sanity(reason: str) -> None:
    voice = load_voices("en")[0]
    check_speech(broken_speech("nothing"), TEXT, voice, AudioLimits())
    with pytest.raises(SpeechError) as error:
        check_speech(broken_speech(reason), TEXT, voice, AudioLimits())
    assert error.value.reason == reason


# -- wrong use -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--engine", "parrot"), "no engine 'parrot'; there are"),
        (("-o", "speed=2"), "engine 'espeak': "),
        (("-o", "speed"), "not of the form KEY=VALUE"),
        (("--aligner", "ruler"), "no aligner 'ruler'"),
        (("--recogniser", "parrot"), "no recogniser 'parrot'"),
        (("--executor", "local", "--gpus", "1"), "--address and --gpus are for Ray"),
    ],
)
def test_wrong_options(words: tuple[str, ...], message: str, spoken: tuple[Path, Path], tmp_path: Path) -> None:
    code = 2 if "KEY=VALUE" in message else 1
    text = soundflow("speak", spoken[0], "--out", tmp_path / "bank", *words, code=code)
    assert message in " ".join(text.split())
    assert not (tmp_path / "bank").exists()


def test_voices_of_another_engine(small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools) -> None:
    with pytest.raises(RecipeError, match="voice 'en-0' belongs to engine 'tones', but engine 'espeak' is to speak"):
        Corpus(small, {"sounds": sounds})
    other = load_recipe(small.path, [f"voices.manifest={write_voices(tmp_path / 'v.yaml', engine='parrot')}"])
    with pytest.raises(RecipeError, match="belongs to engine 'parrot'"):
        start(other, sounds, tmp_path / "bank", tools)


def test_languages_without_voice_or_aligner(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools
) -> None:
    both = load_recipe(small.path, ["languages={en: 0.5, zh: 0.5}"])
    with pytest.raises(RecipeError, match="there is no voice for language 'zh'"):
        start(both, sounds, tmp_path / "bank", tools)
    voices = write_voices(tmp_path / "voices.yaml", languages=("en", "zh"))
    both = load_recipe(small.path, ["languages={en: 0.5, zh: 0.5}", f"voices.manifest={voices}"])
    with pytest.raises(SpeechError, match="aligner 'counter' has no model for language 'zh'"):
        start(both, sounds, tmp_path / "bank", tools)


def test_a_bank_has_one_engine_and_one_version(
    small: LoadedRecipe, sounds: Bank, tmp_path: Path, tools: ToneTools, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(small, sounds, tmp_path / "bank", tools)
    with monkeypatch.context() as patch:
        patch.setattr(ToneEngine, "version", "tones-2")
        with pytest.raises(BankError, match="version 'tones-1', and this is engine 'tones', version 'tones-2'"):
            start(small, sounds, tmp_path / "bank", tools)
    with pytest.raises(BankError, match=r"but voices\.bank must be one that `soundflow speak RECIPE` filled"):
        start(small, sounds, sounds.path, tools)
    job = start(small, sounds, tmp_path / "bank", tools)
    with (
        job.claim(),
        pytest.raises(BankError, match="is being spoken by another process"),
        start(small, sounds, tmp_path / "bank", tools).claim(),
    ):
        pass


@pytest.fixture(autouse=True)
def _no_models_stay() -> Iterator[None]:
    """Each test opens its own models."""
    yield
    from soundflow_pipelines import needs, speak  # noqa: PLC0415

    speak._open.clear()
    needs._open.clear()
