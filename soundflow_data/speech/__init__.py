"""Speech: engines that say a text in a voice, the form of a text that can be said, and how long it would take."""

from soundflow_data.speech.engine import LANGUAGES, Engine, Language, Speech, Voice, utterance_id
from soundflow_data.speech.espeak import EspeakEngine

__all__ = [
    "LANGUAGES",
    "Engine",
    "EspeakEngine",
    "Language",
    "Speech",
    "Voice",
    "utterance_id",
]
