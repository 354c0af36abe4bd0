"""Each event has a clip, and the clip bears out what the event says of it."""

from __future__ import annotations

import functools
from collections.abc import Iterator

import msgspec

from soundflow_data.bank import Clip
from soundflow_data.ontology import load_ontology
from soundflow_data.quality.check.base import StreamCheck, Subject
from soundflow_data.recipe import VOICES, Recipe
from soundflow_data.scenario.identity import Identity
from soundflow_data.scenario.workshop import GENERATED, REPROCESSED
from soundflow_data.speech import spoken_form
from soundflow_data.timeline import Event


class Grounded(StreamCheck):
    """Looks up the clip of every event, where the banks are at hand."""

    summary = "Each event has a clip that its bank holds, with the label, text, source and licence that it claims."

    def faults(self, subject: Subject) -> Iterator[str]:
        """Yields one fault for each claim that is not borne out."""
        for event in subject.timeline.events:
            if event.kind == "speech":
                if not (event.text and event.speaker):
                    yield "speech without a text or a speaker"
            elif not event.label:
                yield f"{event.kind} without a label"
            yield from _clip_faults(event, subject)


def _clip_faults(event: Event, subject: Subject) -> Iterator[str]:
    if event.bank == GENERATED:
        kind = event.clip.partition("-")[0]
        if subject.known.ontology.procedural_kinds().get(kind) != event.label:
            yield f"{event.label} stands on a generated {kind}"
        return
    if event.bank == REPROCESSED:
        name, _, source = event.clip.partition("/")
        whole = msgspec.structs.replace(event, bank=name, clip=source, clip_start=0, num_samples=1)  # it may be shorter
        yield from _clip_faults(whole, subject)
        return
    if event.bank not in _banks(subject.known.recipe):
        yield f"the recipe has no bank {event.bank!r}"
        return
    bank = subject.known.bank(event.bank)
    if bank is None:  # a voice that speaks when asked, or a bank that is gone, of which the verdict has a note
        return
    if event.clip not in bank:
        yield f"bank {event.bank!r} has no such clip"
        return
    clip = bank.clip(bank.find(event.clip))
    if event.clip_start + event.num_samples > clip.num_samples:
        yield "an event is longer than its clip"
    if not _accepts(clip, event.label, subject):
        yield f"{event.label} stands on a clip of {clip.label or 'no label'}"
    if event.kind == "speech" and clip.text not in {event.text, spoken_form(event.text, event.language)}:
        yield "what is said is not the text of the clip"
    if (event.corpus, event.origin, event.licence) != (clip.corpus, clip.origin, clip.licence):
        yield "corpus, source recording or licence are not those of the clip"


def _banks(recipe: Recipe) -> set[str | None]:
    """Returns what events may call the places that clips come from."""
    return {*recipe.banks, recipe.voices.engine if recipe.voices.bank is None else VOICES}


def _accepts(clip: Clip, claimed: str, subject: Subject) -> bool:
    """Whether a clip is accepted as a sound of some label: by its own, by its tag, or by its caption alone."""
    ontology = subject.known.ontology
    if claimed in (clip.label, ontology.canonical(clip.label)) or claimed in ontology.with_tag(clip.label):
        return True
    return not clip.label and bool(claimed) and _identity().label_of("", clip.caption) == claimed


@functools.cache
def _identity() -> Identity:
    return Identity(load_ontology())
