"""Whether silence is right: judges everything in a stream that nobody answers.

    sound      [ smoke alarm ]      [ dishes ]            [ siren ]
    user                                       [ Anna, is it raining? ]
    response   (none at all)
    verdicts     respond              silent     silent      ambiguous

A stream is worth training on when all its silences are verified. One with an event that deserves an answer, or where
one may think either way, is to be discarded, not mislabelled: `verify` drops it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, Literal, Protocol

import msgspec

from soundflow_data.errors import Drop, SoundFlowError
from soundflow_data.ontology import Ontology
from soundflow_data.scenario.chat import ChatClient, ChatOutcomes, Message, Question, strict_schema
from soundflow_data.scenario.settings import ScenarioSettings
from soundflow_data.timeline import SAMPLE_RATE, Event, Timeline

Judgement = Literal["silent", "respond", "ambiguous"]

_ASKS: Final = ("?", "？", "吗", "呢")
_MOST_WORDS: Final = 200  # characters of a model's reason that are kept


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What one event deserves, and why."""

    event: int
    judgement: Judgement
    reason: str


class Verdicts(msgspec.Struct, frozen=True, kw_only=True):
    """What every unanswered event of a stream deserves."""

    key: str
    verdicts: tuple[Verdict, ...]

    @property
    def verified(self) -> bool:
        """Whether silence is right throughout."""
        return all(verdict.judgement == "silent" for verdict in self.verdicts)

    def count(self) -> Counter[str]:
        """Counts the events by judgement."""
        return Counter(verdict.judgement for verdict in self.verdicts)


class Auditor(Protocol):
    """Judges the silences of a stream."""

    @property
    def name(self) -> str:
        """What statistics call it."""
        ...

    def audit(self, timeline: Timeline) -> Verdicts:
        """Returns a verdict for each event of the stream that nobody answers, in their order."""
        ...


def unanswered(timeline: Timeline) -> tuple[int, ...]:
    """Returns the events on which no response rests, without the noise beds."""
    answered = {i for response in timeline.responses for i in response.events}
    return tuple(
        i for i, event in enumerate(timeline.events) if i not in answered and not event.track.startswith("bed")
    )


def verify(timeline: Timeline, auditor: Auditor) -> Verdicts:
    """Returns the verdicts of a stream whose silences are all right.

    Raises:
        Drop: One is not, or not certainly; the reason tells which.
    """
    verdicts = auditor.audit(timeline)
    for judgement, reason in (("respond", "silence that is wrong"), ("ambiguous", "silence that is ambiguous")):
        for verdict in verdicts.verdicts:
            if verdict.judgement == judgement:
                event = timeline.events[verdict.event]
                raise Drop(
                    reason,
                    f"stream {timeline.key!r}: event {verdict.event} ({event.label or event.text!r}): {verdict.reason}",
                )
    return verdicts


class RuleAuditor:
    """Judges by the ontology and by what the sub-task noted; no network.

    A sound is judged by whether an assistant should speak up about it. What people say is right to leave unanswered
    when the sub-task said so, and when it is no question; a question that nobody noted may have been meant for the
    assistant.

    Args:
        ontology: What is known about sounds.
    """

    name: Final = "rules"

    def __init__(self, ontology: Ontology) -> None:
        self._ontology = ontology

    def audit(self, timeline: Timeline) -> Verdicts:
        """Returns a verdict for each event that nobody answers."""
        noted = {i: silence.reason for silence in timeline.silences for i in silence.events}
        verdicts = tuple(
            self._of_speech(i, timeline.events[i], noted.get(i, ""))
            if timeline.events[i].kind == "speech"
            else self._of_sound(i, timeline.events[i])
            for i in unanswered(timeline)
        )
        return Verdicts(key=timeline.key, verdicts=verdicts)

    def _of_sound(self, i: int, event: Event) -> Verdict:
        entry = self._ontology.get(self._ontology.canonical(event.label) or "")
        if entry is None:
            return Verdict(event=i, judgement="ambiguous", reason=f"the ontology has no sound {event.label!r}")
        if entry.assistant == "silent":
            return Verdict(event=i, judgement="silent", reason=f"{entry.name_en} needs no response")
        if entry.assistant == "respond":
            return Verdict(event=i, judgement="respond", reason=f"on {entry.name_en} an assistant should speak up")
        return Verdict(event=i, judgement="ambiguous", reason=f"{entry.name_en} may need a response or not")

    def _of_speech(self, i: int, event: Event, noted: str) -> Verdict:
        if noted:
            return Verdict(event=i, judgement="silent", reason=f"planned: {noted}")
        if event.text.rstrip(" .。!！\"'”").endswith(_ASKS):
            return Verdict(
                event=i, judgement="ambiguous", reason="a question that the assistant may be meant to answer"
            )
        return Verdict(event=i, judgement="silent", reason="no question, and nobody is waiting for an answer")


class EventVerdict(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A verdict, as the model writes it."""

    event: int
    judgement: Judgement
    reason: str


class VerdictsAnswer(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole answer."""

    verdicts: tuple[EventVerdict, ...]


_SYSTEM: Final = """You check training data for a voice assistant that listens all the time. It must stay silent \
unless somebody speaks to it, a standing instruction applies, or a sound means danger, distress or damage.
You get what is heard in one recording and what the assistant says. For each event that you are asked about, judge:
- silent: a careful assistant says nothing here, beyond doubt.
- respond: a careful assistant would speak here.
- ambiguous: reasonable people could disagree, or what is heard does not tell.
Give a short reason."""


class ChatAuditor:
    """Asks a language model as well: an event stays silent only when the rules and the model both say so.

    Where they disagree the event is ambiguous; where no usable answer comes, the rules' verdicts stand.

    Args:
        client: Whom to ask.
        rules: Judges first.
    """

    name: Final = "chat"

    def __init__(self, client: ChatClient, rules: RuleAuditor) -> None:
        self._client = client
        self._rules = rules
        self._schema = strict_schema(VerdictsAnswer)

    def audit(self, timeline: Timeline) -> Verdicts:
        """Returns a verdict for each event that nobody answers."""
        ruled = self._rules.audit(timeline)
        asked = tuple(verdict.event for verdict in ruled.verdicts)
        if not asked:
            return ruled
        answer = self._client.ask(self._question(timeline, asked), lambda verdicts: _by_event(verdicts, asked))
        if answer.value is None:
            return ruled
        found = answer.value
        verdicts = tuple(_joined(verdict, found[verdict.event]) for verdict in ruled.verdicts)
        return Verdicts(key=timeline.key, verdicts=verdicts)

    def outcomes(self) -> ChatOutcomes:
        """Returns what came of the questions so far."""
        return self._client.outcomes("audit")

    def _question(self, timeline: Timeline, asked: Sequence[int]) -> Question[VerdictsAnswer]:
        lines = [f"Instruction given in writing: {timeline.instruction}"] if timeline.instruction else []
        lines += ["Recording:", *(line for _, line in sorted(_story(timeline)))]
        lines.append(f"Judge these events: {', '.join(map(str, asked))}.")
        messages = (Message("system", _SYSTEM), Message("user", "\n".join(lines)))
        return Question(purpose="audit", messages=messages, kind=VerdictsAnswer, schema=self._schema)


def make_auditor(settings: ScenarioSettings, ontology: Ontology) -> Auditor:
    """Returns the auditor that a recipe asks for."""
    rules = RuleAuditor(ontology)
    return ChatAuditor(ChatClient(settings.chat), rules) if settings.auditor == "chat" else rules


def _story(timeline: Timeline) -> Iterator[tuple[int, str]]:
    """Yields one line for each event and response, with the sample at which it starts."""
    for i, event in enumerate(timeline.events):
        if event.track.startswith("bed"):
            continue
        span = f"{event.onset / SAMPLE_RATE:.1f}-{event.end / SAMPLE_RATE:.1f} s"
        what = f"{event.track} says: {event.text}" if event.kind == "speech" else f"sound: {event.label}"
        far = "" if event.role == "foreground" else f" ({event.role})"
        yield event.onset, f"event {i}, {span}{far}: {what}"
    for response in timeline.responses:
        words = response.text or (f"calls {response.call.name}" if response.call else "")
        yield response.due, f"{response.due / SAMPLE_RATE:.1f} s: assistant says: {words}"


def _by_event(answer: VerdictsAnswer, asked: Sequence[int]) -> dict[int, EventVerdict]:
    """Returns the verdicts by event.

    Raises:
        SoundFlowError: An event has none, or several, or was not asked about.
    """
    counts = Counter(verdict.event for verdict in answer.verdicts)
    if counts != Counter(asked):
        raise SoundFlowError(
            f"verdicts are about the events {sorted(counts.elements())}; judge {list(asked)}, each once"
        )
    return {verdict.event: verdict for verdict in answer.verdicts}


def _joined(ruled: Verdict, asked: EventVerdict) -> Verdict:
    reason = " ".join(asked.reason.split())[:_MOST_WORDS]
    if ruled.judgement == asked.judgement:
        return msgspec.structs.replace(ruled, reason=reason or ruled.reason)
    return Verdict(
        event=ruled.event,
        judgement="ambiguous",
        reason=f"rules: {ruled.judgement} ({ruled.reason}); model: {asked.judgement} ({reason})",
    )
