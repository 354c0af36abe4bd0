"""Composite streams: several sub-tasks share a stream, and some things have to be kept in mind across them.

    memory   [ my locker is number 27 ]                                               [ what is my locker number? ]
    watch            [ tell me whenever the doorbell rings ]      [ doorbell ]
    parts                     [ count the barks ... ]   [ translate ... ]    [ question ]
    between                                           [ keys ]            [ glass breaks ]
    response                                         (silent)       ^ "The doorbell."    ^ "Mind your feet ..."  ^ "27."

The kinds, after the composition of StreamAudio-2M (arXiv:2606.05121): a `scenario` plays in a planned scene, whose
sounds the sub-tasks use; a `complex` stream has sub-tasks of three abilities or more under a standing request; a
`proactive` one holds an episode of a proactive sub-task.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.library import Library, Sound
from soundflow_data.ontology import load_proactive
from soundflow_data.scene import Scene
from soundflow_data.scenery import Scenery
from soundflow_data.stage import Rewriter
from soundflow_data.subtasks import Subtask
from soundflow_data.timeline import SAMPLE_RATE, SceneType
from soundflow_data.turns import rounds_of
from soundflow_data.vigilance import warn

ROUNDS_BACK = 3  # between telling and asking, as the published history review has it
PART_S = (12.0, 30.0)  # how long one episode may aim to take
CLOSING_S = 8.0  # what the last question and answer need
FEWEST_ABILITIES = 3  # of a complex stream
FEW_TURNS = 3  # rounds that are kept free for an episode that must still come
LAST_TURNS = 9  # and for one that has to be the last, which names what is heard or looks back on a conversation
TRIES = 5  # drafts of an episode; sub-tasks in a row that do not fit before the stream counts as full
CORRECTED_SHARE = 0.3
CANCELLED_SHARE = 0.35
VERIFIED = "verified: it needs no response"
SCENERY = "part of the scene, and nobody asked about it"
FRUGAL_FROM = 3  # drafts of a stream after which another one holds no more than it must

StageScene = Callable[[Library, Dice, str], Scenery]


class Mix(msgspec.Struct, frozen=True, kw_only=True):
    """What composite streams are made of.

    Attributes:
        tasks: Sub-tasks that may take part.
        shares: How often each is drawn, in any unit.
        turns: Fewest and most rounds of a stream.
        history_review: Probability of a question about what was told at least three rounds before.
        verified_silence: Probability of sounds that were checked to need no response.
        proactive: Probability of a danger on which the assistant speaks up unasked.
        stage: Plans and fills the scene of a scenario.
    """

    tasks: tuple[Subtask, ...]
    shares: tuple[float, ...]
    turns: tuple[int, int]
    history_review: float
    verified_silence: float
    proactive: float
    stage: StageScene


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """Which mix-ins a stream is to have; drawn once, so that a scene that fails and is drawn again keeps them."""

    history_review: bool
    verified_silence: bool
    proactive: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those that are wished for."""
        return tuple([name for name in self.__struct_fields__ if getattr(self, name)])


def wish(mix: Mix, kind: SceneType, leading: Subtask, dice: Dice) -> Wishes:
    """Draws the mix-ins of a stream."""
    review, silence, proactive = (
        dice.chance(share) for share in (mix.history_review, mix.verified_silence, mix.proactive)
    )
    return Wishes(
        history_review=review and not leading.last,
        verified_silence=silence,
        proactive=proactive and kind != "proactive" and leading.ability != "proactive_response",
    )


def play_composite(
    scene: Scene,
    leading: Subtask,
    kind: SceneType,
    mix: Mix,
    wishes: Wishes,
    gap_s: tuple[float, float],
    longest: int,
    attempt: int = 0,
    rewriter: Rewriter | None = None,
) -> list[Subtask]:
    """Writes a composite stream.

    Args:
        scene: Where it is written, a lead-in after its start.
        leading: The sub-task that the recipe's shares assign to the stream; it is always in it.
        kind: Kind of stream.
        mix: What it is made of.
        wishes: Its mix-ins.
        gap_s: Range of the time between episodes.
        longest: Length in samples that it may not exceed; `scene.limit` is what it aims at.
        attempt: How many drafts of the stream have come to nothing.
        rewriter: Words anew what users say, but not what is written down or translated.

    Returns:
        Its sub-tasks, the leading one first; none where this scene did not come to what was wanted.

    Raises:
        Drop: The material does not have what it needs.
    """
    composite = _Composite(scene, leading, kind, mix, wishes, gap_s, longest, attempt >= FRUGAL_FROM, rewriter)
    if not composite.play():
        return []
    return [leading, *(task for task in composite.tasks if task is not leading)]


class _Composite:
    """One composite stream while it is being written; see `play_composite`."""

    def __init__(
        self,
        scene: Scene,
        leading: Subtask,
        kind: SceneType,
        mix: Mix,
        wishes: Wishes,
        gap_s: tuple[float, float],
        longest: int,
        frugal: bool,
        rewriter: Rewriter | None,
    ) -> None:
        self._scene = scene
        self._leading = leading
        self._kind = kind
        self._mix = mix
        self._wishes = wishes
        self._gap_s = gap_s
        self._longest = longest
        self._frugal = frugal
        self._rewriter = scene.rewriter = rewriter
        self._aim = scene.limit
        self._told: dict[str, object] = {}
        self._told_after = 0
        self._watched: Sound | None = None
        self._pending: list[Callable[[], None]] = []  # what is to be heard between the episodes
        self.tasks: list[Subtask] = []
        scene.mixed = True

    def play(self) -> bool:
        """Writes the stream; returns whether it has all that it should have.

        Raises:
            Drop: The material does not have what it needs.
        """
        scene = self._scene
        if self._kind == "scenario":
            scene.scenery = self._mix.stage(scene.library, scene.dice, scene.language)
        if self._wishes.history_review:
            self._tell()
        if self._kind == "complex":
            self._begin_watch()
        self._pending = self._plan_between()
        needed = self._needed()
        for left, task in zip(reversed(range(len(needed))), needed, strict=True):
            if not self._surely(task, keep=left * FEW_TURNS):
                return False
            self._between()
        if self._room_for_more():
            self._fill()
        while self._pending:  # what was wished for and has not come yet
            self._between()
        if self._leading.last and not self._surely(self._leading):
            return False
        self._end_watch()
        if self._told and not self._ask():
            return False
        return scene.end <= self._longest and self._mix.turns[0] <= self._num_turns() <= self._mix.turns[1]

    # -- episodes ----------------------------------------------------------------------------------------------------

    def _needed(self) -> list[Subtask]:
        """Returns the sub-tasks that the stream must have, those that end a stream left out."""
        scene = self._scene
        needed = [] if self._leading.last else [self._leading]
        if self._kind == "proactive" and self._leading.ability != "proactive_response":
            needed += self._draw(lambda task: task.ability == "proactive_response")
        if self._kind == "complex":
            abilities = {self._leading.ability, "streaming_instruction_following"}
            while len(abilities) < FEWEST_ABILITIES:
                drawn = self._draw(lambda task: task.ability not in abilities)
                needed += drawn
                abilities.add(drawn[0].ability)
        return scene.sample(needed, len(needed))

    def _draw(self, fits: Callable[[Subtask], bool]) -> list[Subtask]:
        """Draws one sub-task by the recipe's shares that fits and has not been played in this stream."""
        options = [
            (task, share)
            for task, share in zip(self._mix.tasks, self._mix.shares, strict=True)
            if fits(task) and not task.last and task not in self.tasks and self._scene.language in task.languages
        ]
        if not options:
            language = self._scene.language
            raise Drop("no sub-task fits", f"the recipe has none left for a {self._kind} stream in {language!r}")
        tasks, shares = zip(*options, strict=True)
        return [self._scene.dice.weighted(tasks, shares)]

    def _room_for_more(self) -> bool:
        """Tells whether other sub-tasks may follow; a draft after several that failed has only what it must have."""
        return self._too_few_rounds() or not (self._leading.last or self._frugal)

    def _fill(self) -> None:
        """Lets more sub-tasks follow until the stream is as long as it should be."""
        failed = 0
        while failed < TRIES and self._room() > 0:
            try:
                (task,) = self._draw(lambda task: task is not self._leading)
            except Drop:
                return  # all have been played
            if self._part(task, longest=self._too_few_rounds()):
                failed = 0
                self._between()
            else:
                failed += 1

    def _surely(self, task: Subtask, *, keep: int = 0) -> bool:
        """Writes an episode that the stream must have, of several drafts the first that fits; see `_part`."""
        return any(self._part(task, longest=True, keep=keep) for _ in range(TRIES))

    def _part(self, task: Subtask, *, longest: bool, keep: int = 0) -> bool:
        """Writes one episode; returns whether it fits and leaves `keep` rounds, and takes it back otherwise.

        Raises:
            Drop: The stream must have this sub-task, and the split has no material for it.
        """
        scene = self._scene
        mark = scene.mark()
        if self.tasks or self._told or self._watched:
            scene.pause(*self._gap_s)
        scene.begin_part()
        budget = scene.now + round(scene.dice.uniform(*PART_S) * SAMPLE_RATE)
        scene.limit = min(budget, self._longest if longest else self._aim)
        scene.rewriter = self._rewriter if task.rewordable else None
        try:
            task.screenplay(scene)
        except Drop:
            if task is self._leading:
                raise
            scene.rewind(mark)
            return False
        finally:
            scene.limit, scene.rewriter = self._aim, self._rewriter
        self.tasks.append(task)
        room = (self._longest if longest else self._aim) - self._reserve()
        if scene.end > room or self._num_turns() > self._most_turns() - keep or scene.finished > task.last:
            scene.rewind(mark)
            self.tasks.pop()
            return False
        scene.end_part(ability=task.ability, subtask=task.name)
        scene.episode += 1
        return True

    def _room(self) -> int:
        """Returns the samples that are left for more episodes."""
        if self._too_few_rounds():
            return self._longest - self._reserve() - self._scene.end
        return self._aim - self._reserve() - self._scene.end - round(0.5 * PART_S[0] * SAMPLE_RATE)

    def _reserve(self) -> int:
        """Returns the samples that what must still come will need."""
        closing = CLOSING_S * (bool(self._told) + bool(self._watched))
        if self._leading.last and self._leading not in self.tasks:
            closing += sum(PART_S) / 2
        return round(closing * SAMPLE_RATE)

    def _most_turns(self) -> int:
        """Returns the rounds that there may be now, so that what must still come stays within what is allowed."""
        closing = int(bool(self._told))
        if self._leading.last and self._leading not in self.tasks:
            closing += LAST_TURNS
        return self._mix.turns[1] - closing - len(self._pending)

    def _num_turns(self) -> int:
        return len(rounds_of(self._scene))

    def _too_few_rounds(self) -> bool:
        too_recent = bool(self._told) and self._rounds() - self._told_after < ROUNDS_BACK
        return self._num_turns() < self._mix.turns[0] or too_recent

    def _rounds(self) -> int:
        """Counts the rounds in which the assistant has spoken."""
        return sum(bool(one.said) for one in rounds_of(self._scene))

    # -- between them ------------------------------------------------------------------------------------------------

    def _plan_between(self) -> list[Callable[[], None]]:
        """Draws what is to be heard between the episodes, in random order."""
        scene = self._scene
        things: list[Callable[[], None]] = []
        if self._wishes.verified_silence:
            things.append(self._pass_by)
        if self._wishes.proactive:
            things.append(self._warn)
        if self._watched is not None:
            things += [self._alert] * scene.integer(1, 1 if self._frugal or len(things) > 1 else 2)
        if scene.scenery is not None and not self._frugal:
            things += [self._scenery] * scene.integer(1, 3)
        return scene.sample(things, len(things))

    def _between(self) -> None:
        """Writes the next thing between two episodes, if there is one."""
        if not self._pending:
            return
        if self._scene.end < self._aim - self._reserve():
            self._scene.pause(*self._gap_s)
        self._pending.pop()()

    def _pass_by(self) -> None:
        scene = self._scene
        scene.stay_silent(scene.play(scene.choose_distractor(fresh=True), max_s=5.0), VERIFIED)

    def _warn(self) -> None:
        """Lets a danger be heard, of whatever domain the split has one."""
        scene = self._scene
        domains = [name for name, one in load_proactive().items() if scene.offers(*one.sounds)]
        if not domains:
            raise Drop("no danger", f"split {scene.library.split!r} has no sound on which one should speak up here")
        domain = scene.choice(domains)
        scene.begin_part()
        warn(scene, domain)
        scene.end_part(ability="proactive_response", subtask=domain)

    def _scenery(self) -> None:
        """Lets a sound of the planned scene be heard that no sub-task has used."""
        scene = self._scene
        assert scene.scenery is not None
        heard = {event.label for event in scene.events}
        for sound in scene.scenery.sounds(scene.language):
            if sound.label not in heard and sound.assistant == "silent" and scene.may_be_heard(sound.label):
                scene.stay_silent(scene.play(sound), SCENERY)
                return

    # -- kept in mind ------------------------------------------------------------------------------------------------

    def _tell(self) -> None:
        """Lets the user tell something that is asked about at the end."""
        scene = self._scene
        table = scene.texts("memories")
        memory = scene.choice(table["memories"])
        wrong, value = (str(one) for one in scene.sample(memory["values"], 2))
        scene.begin_part()
        told = [(memory["tell"], value)]
        if scene.chance(CORRECTED_SHARE):
            told = [(memory["tell"], wrong), (memory["correct"], value)]
        for words, said in told:
            heard = scene.say(scene.phrase(words, value=said))
            scene.respond(scene.phrase(table["noted"]), evidence=heard.end)
            scene.pause(0.4, 1.5)
        self._end_review()
        self._told = {"memory": memory, "value": value}
        self._told_after = self._rounds()

    def _ask(self) -> bool:
        """Asks for what was told; returns whether that was long enough ago."""
        scene = self._scene
        if self._rounds() - self._told_after < ROUNDS_BACK:
            return False
        memory = self._told["memory"]
        assert isinstance(memory, dict)
        scene.pause(*self._gap_s)
        scene.begin_part()
        asked = scene.say(scene.phrase(memory["ask"]))
        answer = scene.phrase(memory["answer"], value=self._told["value"])
        scene.respond(answer, evidence=asked.end, kind="recall")
        self._end_review()
        return True

    def _end_review(self) -> None:
        self._scene.end_part(ability="environment_aware_agent", subtask="history_review")

    def _begin_watch(self) -> None:
        """Lets the user ask for a sound to be told each time it is heard, whatever else goes on."""
        scene = self._scene
        table = scene.texts("standing")
        self._watched = scene.choose_sound(assistant="silent")
        scene.begin_part()
        request = scene.say(scene.phrase(table["requests"], sound=self._watched.phrase))
        scene.respond(scene.phrase(table["begun"]), evidence=request.end)
        self._end_standing()
        scene.promise(self._watched)

    def _alert(self) -> None:
        scene = self._scene
        assert self._watched is not None
        scene.begin_part()
        heard = scene.play(self._watched, max_s=4.0)
        alert = scene.phrase(scene.texts("standing")["alerts"], sound=self._watched.phrase)
        scene.respond(alert, evidence=heard.recognisable, kind="trigger")
        self._end_standing()

    def _end_watch(self) -> None:
        """Lets the user take the request back at times; the sound is then heard once more, and nothing is said."""
        scene = self._scene
        if self._watched is None or scene.finished or self._num_turns() + 2 > self._most_turns():
            return
        if not scene.chance(CANCELLED_SHARE):
            return
        table = scene.texts("standing")
        scene.pause(*self._gap_s)
        scene.begin_part()
        stop = scene.say(scene.phrase(table["stops"], sound=self._watched.phrase))
        scene.respond(scene.phrase(table["stopped"]), evidence=stop.end)
        scene.pause(0.8, 2.5)
        scene.stay_silent(scene.play(self._watched, max_s=4.0), "the request was taken back")
        self._end_standing()

    def _end_standing(self) -> None:
        self._scene.end_part(ability="streaming_instruction_following", subtask="conditional_trigger")
