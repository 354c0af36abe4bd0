"""Whether an utterance says what it should, by the ear of a recogniser."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from soundflow_data.errors import SpeechError
from soundflow_data.speech.error_rate import error_rate
from soundflow_data.speech.proof import Recogniser, Spoken
from soundflow_data.speech.segments import excerpt

MAX_ERROR_RATE: Final = 0.10  # of the published recipe; above it the text is spoken again
NOT_UNDERSTOOD: Final = "not understood"


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a recogniser says about an utterance.

    Attributes:
        wer: Error rate of the transcript, of words in English and of characters in Mandarin.
        transcript: What was heard.
        checked_by: Name and version of the recogniser.
    """

    wer: float
    transcript: str
    checked_by: str

    @property
    def passed(self) -> bool:
        """Whether the utterance may be used."""
        return self.wer <= MAX_ERROR_RATE

    def problem(self, item: Spoken) -> SpeechError | None:
        """Returns why the utterance may not be used, None when it may."""
        if self.passed:
            return None
        return SpeechError(
            f"{excerpt(item.text)} was heard as {excerpt(self.transcript)}: error rate {self.wer:.2f}, more than "
            f"{MAX_ERROR_RATE:.2f}; speak it with another seed or voice",
            reason=NOT_UNDERSTOOD,
        )


def check_utterance(recogniser: Recogniser, spoken: Spoken) -> Verdict:
    """Returns what a recogniser says about one utterance.

    Raises:
        SpeechError: It cannot hear it, such as silent audio or a language that it does not know.
    """
    (verdict,) = check_utterances(recogniser, [spoken])
    if isinstance(verdict, SpeechError):
        raise verdict
    return verdict


def check_utterances(recogniser: Recogniser, items: Sequence[Spoken]) -> list[Verdict | SpeechError]:
    """Returns for each utterance what a recogniser says about it, or why it cannot."""
    checked_by = f"{recogniser.name} {recogniser.version}"
    verdicts: list[Verdict | SpeechError] = []
    for item, heard in zip(items, recogniser.transcribe(items), strict=True):
        if isinstance(heard, SpeechError):
            verdicts.append(heard)
        else:
            wer = error_rate(item.text, heard, item.language)
            verdicts.append(Verdict(wer=round(wer, 4), transcript=heard, checked_by=checked_by))
    return verdicts
