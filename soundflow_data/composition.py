"""Plans one stream: episodes of a sub-task, sounds behind them, noise beds under them, and a level that cannot clip.

    lead-in   episode 0            gap   episode 1            gap   (episode 2 would not fit: taken back)   padding
    |.......|[ ask, sound, ... ]|.......|[ ask, sound, ... ]|.....................................................|
    bed 0 ==========================================================================================================
    bed 1 ==========================================================================================================

Pure: the same arguments give the same timeline, and no audio is touched. All draws come from generators that belong to
(seed, split, index, purpose), so a stream is the same whoever makes it, alone or among a million.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.beds import lay_bed
from soundflow_data.composites import Mix, play_composite, wish
from soundflow_data.dice import Dice
from soundflow_data.errors import Drop
from soundflow_data.library import Library
from soundflow_data.scene import Scene
from soundflow_data.stage import Rewriter
from soundflow_data.subtasks import Subtask
from soundflow_data.targets import place
from soundflow_data.timeline import (
    DEFAULT_CHUNK,
    SAMPLE_RATE,
    Event,
    Role,
    SceneType,
    Timeline,
)
from soundflow_data.turns import turns_of

Range = tuple[float, float]

ATTEMPTS = 8  # scenes that are drawn before a stream is dropped
LIKELY_SHARE = 0.8  # another episode is tried when this share of a mean one still fits
BED_DRAWS = 16
HEADROOM = 0.891  # -1 dBFS, the highest peak that a mix may reach
BED_ROLES: tuple[Role, Role] = ("background", "ambient")


class Conditions(msgspec.Struct, frozen=True, kw_only=True):
    """How the streams of a recipe sound, whatever their sub-task.

    Attributes:
        duration_s: Range of stream lengths in seconds.
        chunk: Decision period in samples.
        level_dbfs: Range of the RMS level of foreground events.
        lead_in_s: Range of the time before the first episode.
        gap_s: Range of the time between episodes.
        background_per_minute: Range of the number of background sounds per minute.
        ambient_per_minute: Range of the number of ambient sounds per minute.
        num_beds: Noise beds under the whole stream, 0 to 2.
        snr_db: Range of the ratio of the foreground level to bed 0.
        ambient_below_db: How much quieter bed 1 is than bed 0.
    """

    duration_s: Range = (20.0, 60.0)
    chunk: int = DEFAULT_CHUNK
    level_dbfs: Range = (-30.0, -23.0)
    lead_in_s: Range = (0.4, 2.0)
    gap_s: Range = (1.0, 4.0)
    background_per_minute: Range = (0.0, 4.0)
    ambient_per_minute: Range = (0.0, 4.0)
    num_beds: int = 2
    snr_db: Range = (5.0, 20.0)
    ambient_below_db: float = 5.0


def compose(
    subtask: Subtask,
    *,
    key: str,
    seed: int,
    index: int,
    library: Library,
    conditions: Conditions,
    language: str = "en",
    kind: SceneType = "single",
    mix: Mix | None = None,
    rewriter: Rewriter | None = None,
) -> Timeline:
    """Plans one stream.

    Args:
        subtask: What is played.
        key: Key of the stream.
        seed: Seed of the recipe.
        index: Index of the stream in its split.
        library: Material of the split.
        conditions: How it sounds.
        language: Language of the interaction; one that the sub-task can play.
        kind: `single` for episodes of the sub-task alone, else a composite that it leads.
        mix: What composites are made of.
        rewriter: Words anew what users say, but not what is written down or translated.

    Raises:
        Drop: It cannot be made from this material, or not within the length that is allowed.
    """
    identity = (seed, library.split, index)
    dice = Dice(*identity, "conditions")
    low, high = (max(1, round(seconds * SAMPLE_RATE / conditions.chunk)) for seconds in conditions.duration_s)
    num_chunks = dice.integer(low, high)
    level_db = round(dice.uniform(*conditions.level_dbfs), 2)
    longest = high * conditions.chunk
    composite = mix if kind != "single" else None
    wishes = wish(composite, kind, subtask, Dice(*identity, "wishes")) if composite else None
    lacking: Drop | None = None
    for attempt in range(ATTEMPTS):
        scene = Scene(
            library=library,
            dice=Dice(*identity, "scene", attempt),
            language=language,
            chunk=conditions.chunk,
            level_db=level_db,
            limit=num_chunks * conditions.chunk,
        )
        scene.pause(*conditions.lead_in_s)
        try:
            if composite is None or wishes is None:
                played = _play_episodes(scene, subtask, conditions, longest, rewriter)
            else:
                gap_s = conditions.gap_s
                played = play_composite(scene, subtask, kind, composite, wishes, gap_s, longest, attempt, rewriter)
        except Drop as drop:
            if composite is None:
                raise
            lacking = drop  # another scene may need other sounds
            continue
        if played:
            timeline = _finish(scene, played, kind, key, num_chunks, level_db, conditions, identity)
            return msgspec.structs.replace(timeline, mixins=wishes.names) if wishes else timeline
    raise lacking or Drop(
        "longer than the recipe allows",
        f"stream {key!r}: {ATTEMPTS} scenes of {subtask.id} were longer than {conditions.duration_s[1]} s",
    )


def _play_episodes(
    scene: Scene, subtask: Subtask, conditions: Conditions, longest: int, rewriter: Rewriter | None
) -> list[Subtask]:
    """Writes as many episodes as fit; returns the sub-task where at least one did."""
    while True:
        mark = scene.mark()
        scene.begin_part()
        scene.rewriter = rewriter if subtask.rewordable else None
        try:
            subtask.screenplay(scene)
        except Drop:
            if scene.episode == 0:
                raise
            scene.rewind(mark)  # what was promised leaves no material for another episode
            return [subtask]
        end = scene.end
        if end > (scene.limit if scene.episode else longest):
            if scene.episode == 0:
                return []
            scene.rewind(mark)
            return [subtask]
        scene.end_part(ability=subtask.ability, subtask=subtask.name)
        scene.episode += 1
        if scene.finished or end + LIKELY_SHARE * end / scene.episode > scene.limit:
            return [subtask]
        scene.pause(*conditions.gap_s)


def _finish(
    scene: Scene,
    played: Sequence[Subtask],
    kind: SceneType,
    key: str,
    num_chunks: int,
    level_db: float,
    conditions: Conditions,
    identity: tuple[int, str, int],
) -> Timeline:
    background = all(task.background for task in played)
    chunk = conditions.chunk
    spoken = place(scene.responses, chunk)
    num_chunks = max(num_chunks, -(-scene.end // chunk), spoken[-1].chunk + 1 if spoken else 0)
    num_samples = num_chunks * chunk
    if background:
        _furnish(scene, Dice(*identity, "background"), num_samples, conditions)
    snr_db, beds, bed_peak = _lay_beds(scene, background, Dice(*identity, "beds"), num_samples, level_db, conditions)
    bound = _peak_bound(scene.events, scene.peaks) + bed_peak
    return Timeline(
        key=key,
        split=scene.library.split,
        ability=played[0].ability,
        subtask="+".join(task.name for task in played),
        num_samples=num_samples,
        chunk=chunk,
        language=scene.language,
        scene_type=kind,
        instruction=scene.instruction,
        gain_db=round(min(0.0, _to_db(HEADROOM / max(bound, 1e-9)) - 0.005), 2),
        snr_db=snr_db,
        level_db=level_db,
        events=(*scene.events, *beds),
        responses=tuple(scene.responses),
        silences=tuple(scene.silences),
        turns=turns_of(scene),
        parts=tuple(scene.parts),
        setting=scene.scenery.setting if scene.scenery is not None else None,
    )


def _furnish(scene: Scene, dice: Dice, num_samples: int, conditions: Conditions) -> None:
    """Mixes in sounds that nobody has to answer and that cannot be taken for one that plays a part."""
    rates: dict[Role, Range] = {
        "background": conditions.background_per_minute,
        "ambient": conditions.ambient_per_minute,
    }
    barred = scene.library.alike(scene.labels_in_use)
    harmless = [
        sound for sound in scene.library.sounds(scene.language, assistant="silent") if sound.label not in barred
    ]
    if scene.scenery is not None:
        harmless = list(scene.scenery.prefer(harmless))
    for role, per_minute in rates.items():
        expected = dice.uniform(*per_minute) * num_samples / (60 * SAMPLE_RATE)
        count = int(expected) + dice.chance(expected % 1)
        for _ in range(count):
            related = scene.company.related()  # any moment may be its first, so no rule may bind it to what is heard
            free = [sound for sound in harmless if sound.label not in related]
            if not free:
                return
            bank, row = scene.library.clip_of(dice.choice(free).label, dice)
            length = min(bank.clip(row).num_samples, num_samples)
            scene.place_behind(bank, row, role=role, onset=dice.integer(0, num_samples - length), num_samples=length)


def _lay_beds(
    scene: Scene, background: bool, dice: Dice, num_samples: int, level_db: float, conditions: Conditions
) -> tuple[float | None, list[Event], float]:
    if conditions.num_beds == 0:
        return None, [], 0.0
    snr_db = round(dice.uniform(*conditions.snr_db), 2)
    nameless = not background
    events: list[Event] = []
    peak = 0.0
    for number, role in enumerate(BED_ROLES[: conditions.num_beds]):
        bank, row = _choose_bed(scene, dice, role, nameless)
        bed, bound = lay_bed(
            bank,
            row,
            dice=dice,
            num_samples=num_samples,
            level_db=level_db - snr_db - number * conditions.ambient_below_db,
            track=f"bed-{number}",
            role=role,
        )
        events += bed
        peak += bound
    return snr_db, events, peak


def _choose_bed(scene: Scene, dice: Dice, role: Role, nameless: bool) -> tuple[Bank, int]:
    """Draws a bed that cannot be taken for a sound that plays a part, of the role and the place if there is one."""
    barred = scene.library.alike(scene.labels_in_use) | scene.company.related()
    fits = scene.scenery.could_be_heard if scene.scenery is not None else lambda _: True
    for wanted, at_home in ((role, True), ("", True), ("", False)):
        shelf = scene.library.beds(wanted, nameless=nameless)
        for _ in range(BED_DRAWS if shelf.num_clips else 0):
            bank, row = shelf.draw(dice)
            label = bank.clip(row).label
            if label not in barred and (not at_home or fits(label)):
                scene.company.hear(label)
                return bank, row
    raise Drop(
        "no noise bed",
        f"split {scene.library.split!r} has no noise that could not be taken for one of {sorted(scene.labels_in_use)}; "
        "add a bank with noise, or set beds.count to 0",
    )


def _peak_bound(events: Sequence[Event], peaks: Sequence[float]) -> float:
    """Bounds the peak of the sum: the largest sum of the peaks of events that sound together."""
    edges = sorted(
        [(event.onset, peak) for event, peak in zip(events, peaks, strict=True)]
        + [(event.end, -peak) for event, peak in zip(events, peaks, strict=True)]
    )
    highest = level = 0.0
    for _, change in edges:
        level += change
        highest = max(highest, level)
    return highest


def _to_db(ratio: float) -> float:
    return 20 * math.log10(ratio)
