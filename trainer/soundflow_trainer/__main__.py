"""`python -m soundflow_trainer`: the commands of the trainer without those of the pipelines."""

from __future__ import annotations

import sys

from soundflow_data.errors import SoundFlowError
from soundflow_trainer.cli import app


def main() -> None:
    """Runs the command line and ends the process with its exit code."""
    try:
        app(prog_name="soundflow")
    except SoundFlowError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
