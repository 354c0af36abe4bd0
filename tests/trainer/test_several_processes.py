"""Two processes on a CPU: replicated and sharded training give the weights of one process, up to rounding."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from test_training import make_changing_stage, run, weights_of

SCRIPT = """
import sys; sys.path.insert(0, sys.argv[1])
from pathlib import Path
from test_training import make_changing_stage, run
if __name__ == "__main__":
    run(make_changing_stage(steps=2, sharding=sys.argv[3]), Path(sys.argv[2]))
"""


@pytest.mark.timeout(180)
@pytest.mark.parametrize("sharding", ["none", "fsdp"])
def test_two_processes_train_like_one(tmp_path, sharding):
    run(make_changing_stage(steps=2), tmp_path / "one")
    script = tmp_path / "go.py"
    script.write_text(SCRIPT)
    here = str(Path(__file__).parent)
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [*launch, str(script), here, str(tmp_path / "two"), sharding]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = weights_of(tmp_path / "one", 2), weights_of(tmp_path / "two", 2)
    assert one.keys() == two.keys()
    for name, tensor in one.items():
        torch.testing.assert_close(two[name], tensor, atol=1e-5, rtol=1e-4)
