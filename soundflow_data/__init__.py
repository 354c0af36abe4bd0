"""SoundFlow: training streams for always-on audio models, planned as data, rendered to audio, labelled per chunk."""
