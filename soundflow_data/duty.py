"""Work that the assistant does for a while, such as transcribing: what starts it, and what ends it.

written   instruction "Write down every word."       holds for the whole stream, and for everybody's speech;
                                                     never where other sub-tasks share the stream
spoken    user     [ write down what she says ]                        [ that's all, thank you ]
          speaker                                 [ ... words ... ]                              [ words ]
          response                             ^ "Okay."  words                               ^ "Okay."
"""

from __future__ import annotations

from collections.abc import Callable

from soundflow_data.errors import Drop
from soundflow_data.phrases import Table
from soundflow_data.scene import Scene
from soundflow_data.stage import Heard

SPOKEN_SHARE = 0.5
WORDED = (  # recordings of these have words that no transcript knows
    "speech", "whispering", "television", "radio_voice", "announcement", "child_speech", "call_for_help", "singing",
    "choir", "street_music", "hip_hop_music", "rock_music", "shout",
)  # fmt: skip


def begin(scene: Scene, *, written: Table, spoken: Table, idle: Callable[[], Heard]) -> None:
    """Puts the assistant to work, by an instruction before the stream or by a spoken one.

    Args:
        scene: The stream.
        written: Instructions that cover the speech of everybody.
        spoken: Requests that cover other people's speech, but not the user's own.
        idle: Says something that would be worked on if it had been asked for.
    """
    scene.bar(WORDED)
    few = scene.num_voices() < 3  # then nobody but the user can be told by the voice
    if scene.mixed and few:
        raise Drop("too few voices", f"a spoken request covers other people; {scene.num_voices()} voices are too few")
    if scene.episode == 0 and not scene.mixed and (few or not scene.chance(SPOKEN_SHARE)):
        scene.instruct(scene.phrase(written))
    if is_written(scene):
        return
    table = scene.texts("duty")
    for _ in range(scene.integer(0, 1)):
        scene.stay_silent(idle(), "nobody has asked for it yet")
        scene.pause(0.6, 2.0)
    request = scene.say(scene.phrase(spoken))
    scene.respond(scene.phrase(table["begun"]), evidence=request.end)
    scene.pause(0.3, 1.5)


def is_written(scene: Scene) -> bool:
    """Tells whether the work was asked for before the stream; other sub-tasks' instructions ask for none."""
    return bool(scene.instruction) and not scene.mixed


def end(scene: Scene, *, idle: Callable[[], Heard]) -> None:
    """Ends work that a spoken request began; see `begin`."""
    if is_written(scene):
        return
    table = scene.texts("duty")
    stop = scene.say(scene.phrase(table["stops"]))
    scene.respond(scene.phrase(table["stopped"]), evidence=stop.end)
    for _ in range(scene.integer(0, 2)):
        scene.pause(0.6, 2.0)
        scene.stay_silent(idle(), "the work is over")
