"""The kinds of procedural sounds, one file per family; every decorated function here is a kind."""
