"""What goes on around the user and concerns no assistant: people talk to each other, sounds that nobody asked about.

    user       ........[ Anna, can you turn on the light? ].............................
    visitor    ............................................[ in a minute ]..............
    sound      ...............................................................[ keys ]..
    response                      (none of it is answered)

With the sub-task's own wording said to somebody else, only the name tells a request from an aside.
"""

from __future__ import annotations

from collections.abc import Sequence

from soundflow_data.exchanges import draw_exchange
from soundflow_data.library import Sound
from soundflow_data.scene import Scene
from soundflow_data.stage import Heard

REPLY_SHARE = 0.3  # of asides that the other person answers
REAL_SHARE = 0.3  # of small talk that comes from banks of instructions, where a split has some
NAME_FIRST_SHARE = 0.7
LATE = 0.6  # of the time that the episode may take; from then on no interlude takes up any


def aside(scene: Scene, text: str = "", *, speaker: str = "", reason: str = "addressed to somebody else") -> Heard:
    """Somebody, at times the user, talks to a person who is called by name; the assistant keeps out of it.

    Args:
        scene: The stream.
        text: What is said, without the name; small talk where empty.
        speaker: Who says it; by default the user or a visitor.
        reason: Why nobody answers.
    """
    table = scene.texts("asides")
    name = scene.choice(table["names"])
    heard = scene.say(
        address(scene, text or small_talk(scene), name), speaker=speaker or scene.choice(("user", "visitor"))
    )
    scene.stay_silent(heard, reason)
    if scene.chance(REPLY_SHARE):
        scene.pause(0.2, 0.8)
        scene.stay_silent(scene.say(scene.phrase(table["replies"]), speaker="neighbour"), reason)
    return heard


def small_talk(scene: Scene) -> str:
    """Draws what people say to each other, or a question of a bank that this time is somebody else's to answer."""
    exchange = draw_exchange(scene, share=REAL_SHARE)
    return exchange.text if exchange else scene.phrase(scene.texts("asides")["talk"])


def anybody(scene: Scene) -> str:
    """Draws who turns to the assistant: mostly the user, at times a visitor, so that a voice alone tells nothing."""
    return scene.choice(("user", "user", "user", "visitor"))


def address(scene: Scene, text: str, name: str) -> str:
    """Puts a name before or behind what is said: `Anna, what is it?`, `What is it, Anna?`."""
    comma = "，" if scene.language == "zh" else ", "
    if scene.chance(NAME_FIRST_SHARE):
        return name + comma + (text if text.startswith(("I ", "I'")) else text[:1].lower() + text[1:])
    end = len(text) - (not text[-1].isalnum())
    return text[:end] + comma + name + text[end:]


def pass_by(
    scene: Scene,
    *,
    unlike: Sound | Sequence[Sound] = (),
    reason: str = "nobody asked about it",
    max_s: float = 5.0,
) -> Heard:
    """Plays a sound that nobody has to answer and that cannot be taken for one of `unlike`."""
    heard = scene.play(scene.choose_distractor(unlike=unlike), max_s=max_s)
    scene.stay_silent(heard, reason)
    return heard


def interlude(
    scene: Scene,
    *,
    unlike: Sound | Sequence[Sound] = (),
    most: int = 2,
    talk: float = 0.4,
    gap_s: tuple[float, float] = (0.6, 2.5),
) -> None:
    """Lets up to `most` things happen that the assistant has no part in, each followed by a pause.

    Args:
        scene: The stream.
        unlike: What the sounds must not be taken for.
        most: The number of things is drawn from 0 to this.
        talk: Share of talk among them, 0 for none at all. Where the split has no sounds, the rest is talk too.
        gap_s: Range of the pauses.
    """
    for _ in range(scene.integer(0, most)):
        if scene.late(LATE):
            return  # what matters must still fit
        if scene.has_sounds and not scene.chance(talk):
            pass_by(scene, unlike=unlike)
        elif talk:
            aside(scene)
        scene.pause(*gap_s)
