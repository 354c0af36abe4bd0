"""The command line `soundflow`: one file for each command or group of commands.

Heavy modules are imported inside the commands, so that `soundflow --help` answers at once.
"""

from soundflow_pipelines.cli.app import app, main

__all__ = ["app", "main"]
