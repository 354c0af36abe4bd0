"""The speech environment holds together: what it installs is found, and the base runs in it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_tts_imports_with_our_root_first_on_the_path() -> None:
    """coqui-tts installs a top-level package `trainer`, which our folder of that name must not hide."""
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); import trainer, TTS.api; "
        f"assert 'site-packages' in trainer.__file__, trainer.__file__; assert TTS.api.TTS"
    )
    subprocess.run([sys.executable, "-c", script], check=True, cwd=ROOT)


def test_the_command_runs_here_too() -> None:
    subprocess.run([Path(sys.executable).with_name("soundflow"), "--help"], check=True, capture_output=True)
