"""The thresholds of the checks: the section `checks` of a recipe, one entry for each file in `checks/`."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field


def _ascending(value: tuple[float, float]) -> tuple[float, float]:
    if value[0] > value[1]:
        raise ValueError(f"the range runs from {value[0]:g} down to {value[1]:g}; write the smaller end first")
    return value


Share = Annotated[float, Field(ge=0, le=1)]
Range = Annotated[tuple[float, float], AfterValidator(_ascending)]


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Coherent(_Limits):
    """No sound is both answered and kept silent under one instruction."""

    max_share: Share = Field(0.0, description="Share of streams that may contradict themselves.")


class Composites(_Limits):
    """Kinds of streams, their rounds and mix-ins."""

    tolerance: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Streams that a kind may be off, times 1 + ln(streams of the split)."
    )
    sigmas: Annotated[float, Field(ge=0)] = Field(
        5.0, description="Standard deviations that the share of a mix-in may be off its probability."
    )


class Dialogue(_Limits):
    """Proportions of hearing, speaking and keeping silent."""

    silent_share: Range = Field((0.3, 0.99), description="Share of the decisions that are to keep silent.")
    mean_rounds: Range = Field((1.0, 15.0), description="Rounds of a stream, on average.")
    max_tokens: Annotated[int, Field(ge=1)] = Field(
        80, description="Words (Mandarin: characters) of one response; running answers may be longer."
    )
    max_share_too_long: Share = Field(0.0, description="Share of responses that may be longer than that.")
    max_share_off_duration: Share = Field(0.01, description="Share of streams that may be outside `duration_s`.")


class Diverse(_Limits):
    """Many texts, sounds and voices, evenly used."""

    min_texts: Annotated[int, Field(ge=0)] = Field(
        200, description="Distinct texts of each sub-task, once it has enough of them to hold so many."
    )
    min_text_share: Share = Field(0.25, description="Distinct among all texts of a sub-task that has fewer.")
    min_evenness: Share = Field(
        0.75, description="Entropy over sounds, speakers and sub-tasks, against that of the most even use of them."
    )


class Duplicates(_Limits):
    """Streams that sound the same."""

    max_same_share: Share = Field(0.0, description="Share of streams that may have the samples of another one.")
    max_similar_share: Share = Field(0.01, description="Share of streams that may sound nearly like another one.")
    similarity: Share = Field(0.99, description="Cosine of two log-mel embeddings from which they are nearly the same.")


class Grounded(_Limits):
    """Each event has the clip that it claims."""

    max_share: Share = Field(0.0, description="Share of streams with an event that its clip does not bear out.")


class Leaks(_Limits):
    """What two splits have in common."""

    max_speakers: Annotated[int, Field(ge=0)] = Field(0, description="Speakers that are heard in two splits.")
    max_recordings: Annotated[int, Field(ge=0)] = Field(0, description="Source recordings that are in two splits.")
    max_streams: Annotated[int, Field(ge=0)] = Field(0, description="Streams with the samples of one in another split.")
    max_script_share: Share = Field(
        0.2, description="Share of a split's streams whose whole script, of two texts or more, another split has too."
    )


class Licences(_Limits):
    """Where the events come from."""

    max_forbidden: Annotated[int, Field(ge=0)] = Field(0, description="Events whose licence is not in allow_license.")
    max_unknown_share: Share = Field(0.0, description="Share of events that may have no licence.")


class Loudness(_Limits):
    """Level and clipping of the mixed audio."""

    rms_dbfs: Range = Field((-48.0, -14.0), description="RMS level of a whole stream.")
    max_clipped: Annotated[int, Field(ge=0)] = Field(2, description="Samples of a stream that may be at full scale.")
    max_silence_s: Annotated[float, Field(ge=0)] = Field(
        0.5, description="Longest digital silence in a stream; not judged where the recipe has no beds."
    )
    max_share: Share = Field(0.0, description="Share of streams that may break one of these.")


class Plausible(_Limits):
    """Ordering and exclusion rules of the ontology."""

    max_share: Share = Field(0.0, description="Share of streams that may hold sounds that do not go together.")


class Shares(_Limits):
    """Composition against the recipe."""

    tolerance: Annotated[float, Field(ge=0)] = Field(
        1.0, description="Streams that a share may be off, times 1 + ln(streams of the split)."
    )


class Temporal(_Limits):
    """Targets against the timeline."""

    max_share: Share = Field(0.0, description="Share of streams whose targets do not follow from their timeline.")
    max_delay_s: Annotated[float, Field(ge=0)] = Field(
        4.0, description="How long a response may wait for a free chunk after it is due."
    )


class Checks(_Limits):
    """What `soundflow check` asks of the corpus."""

    coherent: Coherent = Coherent()
    composites: Composites = Composites()
    dialogue: Dialogue = Dialogue()
    diverse: Diverse = Diverse()
    duplicates: Duplicates = Duplicates()
    grounded: Grounded = Grounded()
    leaks: Leaks = Leaks()
    licences: Licences = Licences()
    loudness: Loudness = Loudness()
    plausible: Plausible = Plausible()
    shares: Shares = Shares()
    temporal: Temporal = Temporal()
