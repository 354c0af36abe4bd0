"""Recordings in and out, their preparation and measures, mixing, and procedural sounds; import from the modules.

Nothing is re-exported here: `decode`, `encode` and `bursts` would hide the modules that they live in, and whoever mixes
need not load what reads files.
"""
