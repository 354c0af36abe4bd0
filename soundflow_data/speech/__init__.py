"""Speech: engines that say a text in a voice, the form of a text that can be said, and how long it would take."""

from soundflow_data.speech.engine import LANGUAGES, Engine, Language, Speech, Voice, utterance_id
from soundflow_data.speech.espeak import EspeakEngine
from soundflow_data.speech.estimate import estimate_num_samples
from soundflow_data.speech.spoken_form import spoken_form
from soundflow_data.speech.voices import load_voices, read_voices, seal

__all__ = [
    "LANGUAGES",
    "Engine",
    "EspeakEngine",
    "Language",
    "Speech",
    "Voice",
    "estimate_num_samples",
    "load_voices",
    "read_voices",
    "seal",
    "spoken_form",
    "utterance_id",
]
