"""The jobs of SoundFlow (build banks, synthesize, check, report) on Ray or locally, and the command line."""
