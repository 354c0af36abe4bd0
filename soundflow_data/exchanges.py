"""What people really asked and what was answered, out of a user's banks of instructions and dialogues.

bank       alpaca-7: [ Name three uses of salt. ]   reply: "Seasoning, preserving, and melting ice."
stream     user      [ Name three uses of salt. ]
           response                               ^ "Seasoning, preserving, and melting ice."

Such texts take turns with those that come with the sub-tasks; where a split has none, these are all there is.
"""

from __future__ import annotations

import msgspec

from soundflow_data.bank import Bank
from soundflow_data.scene import Scene
from soundflow_data.stage import Heard

REAL_SHARE = 0.5  # of requests that come from banks, where a split has some
DRAWS = 4
MOST_WORDS = {"en": 24, "zh": 40}  # of a request; Chinese by characters
MOST_REPLY_WORDS = {"en": 45, "zh": 90}
CALLER = "caller"


class Exchange(msgspec.Struct, frozen=True, kw_only=True):
    """A request of a bank with its answer; `bank` and `row` hold it as it was spoken."""

    text: str
    reply: str
    bank: Bank
    row: int


def draw_exchange(scene: Scene, *, share: float = REAL_SHARE) -> Exchange | None:
    """Draws an instruction with its answer.

    Args:
        scene: The stream.
        share: Probability that one is wanted at all.

    Returns:
        One that is short enough to be heard and answered in passing; None where the split has none, or by chance.
    """
    instructions = scene.library.instructions.get(scene.language)
    if not instructions or not scene.chance(share):
        return None
    for _ in range(DRAWS):
        bank, row = scene.choice(instructions)
        clip = bank.clip(row)
        if clip.reply and _fits(clip.text, MOST_WORDS, scene) and _fits(clip.reply, MOST_REPLY_WORDS, scene):
            return Exchange(text=clip.text, reply=clip.reply, bank=bank, row=row)
    return None


def ask(scene: Scene, exchange: Exchange, *, speaker: str = "user") -> Heard:
    """Lets a request be heard as its bank has it."""
    person = voiced(scene, exchange.bank, exchange.row, speaker)
    return scene.replay(exchange.bank, exchange.row, speaker=person)


def voiced(scene: Scene, bank: Bank, row: int, speaker: str = "user") -> str:
    """Returns who says an utterance of a bank: the person, who then has its voice, or a caller with another one.

    A person of the scene keeps one voice. An utterance in another voice is somebody else's.
    """
    return speaker if scene.take_voice(speaker, bank.clip(row).speaker) else CALLER


def _fits(text: str, most: dict[str, int], scene: Scene) -> bool:
    length = len(text) if scene.language == "zh" else len(text.split())
    return length <= most[scene.language]
