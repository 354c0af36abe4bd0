"""Everything that SoundFlow raises on purpose.

SoundFlowError                       anything a user can cause; a ValueError, so plain handlers work
├── RecipeError                      a recipe or setting that cannot mean anything
├── SubtaskError                     a sub-task file that cannot be loaded, or that asks for the impossible
├── TimelineError                    a timeline that breaks its own rules
├── BankError                        a bank that is missing, damaged, empty, or lacks what is asked of it
├── CountedError                     an error with a short `reason`, by which it is counted
│   ├── AudioError                   a recording that cannot be used
│   ├── SpeechError                  a text that cannot be spoken, aligned or understood
│   │   └── EngineError              an engine, model or voice that cannot speak any text; a failure, not a drop
│   ├── ServerError                  a server that cannot be asked, or does not answer completely
│   └── ChatError                    a language model that gives no answer, or none that can be used
├── RunError                         a run directory that belongs to something else, is locked, or is incomplete
└── ShardError                       a shard, receipt or manifest whose bytes are not what they should be

A *drop* is not an error: a stream that cannot be made is counted under its reason (`Drop`) and the run goes on.
"""

from __future__ import annotations

import functools


class SoundFlowError(ValueError):
    """Base of every error that SoundFlow raises on purpose; the message names the item, the value and the repair."""


class RecipeError(SoundFlowError):
    """A recipe or a setting is wrong; the message names the key, the value and what is allowed."""


class SubtaskError(SoundFlowError):
    """A sub-task file cannot be loaded, or its code asked the scene for something impossible."""


class TimelineError(SoundFlowError):
    """A timeline breaks one of its own rules, such as an event that ends after the stream."""


class CountedError(SoundFlowError):
    """An error that is counted by its reason.

    Args:
        message: What is wrong and what to do.
        reason: One short word group, the same for all that failed in the same way.
    """

    def __init__(self, message: str, *, reason: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only arguments are lost by the default pickling of exceptions, and workers send these home.
        return (functools.partial(type(self), reason=self.reason), (str(self),))


class AudioError(CountedError):
    """A recording cannot be used; the message names the file, the reason is such as `truncated` or `not finite`."""


class BankError(SoundFlowError):
    """A bank is missing, damaged, empty, or lacks what is asked of it."""


class SpeechError(CountedError):
    """A text cannot be spoken with a voice, or its speech cannot be aligned or understood.

    The message names the text or the model; the reason is such as `words missing` or `low score`.
    """

    def __init__(self, message: str, *, reason: str = "cannot be spoken") -> None:
        super().__init__(message, reason=reason)


class EngineError(SpeechError):
    """An engine, a model or a voice is of no use whatever the text; `speak_many` raises it instead of returning it."""


class ServerError(CountedError):
    """A server could not be asked, or did not answer completely.

    The message names the server; the reason is `cannot reach`, `timed out`, `connection closed` or `too long`.
    """


class ChatError(CountedError):
    """A language-model server gives no answer, or none that can be used.

    The message names the server, never its key; the reason is such as `timed out` or `not the schema`.
    """


class RunError(SoundFlowError):
    """A run directory belongs to another recipe or version, is in use, or is incomplete."""


class ShardError(SoundFlowError):
    """A shard, receipt or manifest does not hold what it should."""


class Drop(Exception):  # noqa: N818 - a drop is an outcome that is counted, not an error
    """One stream (or clip) cannot be made; it is counted under `reason` and the run goes on.

    Args:
        reason: Short and countable, such as `longer than the recipe allows`.
        detail: What happened to this one.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
