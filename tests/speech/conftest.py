"""Small local models in the libraries' own formats; these tests run in the speech environment alone (`make speech`)."""

from __future__ import annotations

import importlib.util

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("TTS", "torch", "whisperx"))) else ["*.py"]

if not collect_ignore_glob:
    import torch

    torch.set_num_threads(1)
