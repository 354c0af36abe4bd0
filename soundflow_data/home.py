"""Requests to a home that can be controlled: what is said, the tool call that it means, and the reply."""

from __future__ import annotations

import msgspec

from soundflow_data.scene import Scene
from soundflow_data.texts import load_texts
from soundflow_data.timeline import ToolCall

CORRECTED_SHARE = 0.2  # of requests in which the speaker corrects one of the arguments


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Something that a home is asked to do."""

    words: str
    call: ToolCall
    reply: str


def draw_request(scene: Scene) -> Request:
    """Draws a request from `smart_home.yaml`; its arguments are what is said last, after a correction too."""
    home = load_texts("smart_home")
    request = scene.choice(home["requests"])
    drawn = {name: scene.sample(values, 2) for name, values in home["slots"].items()}
    arguments = {key: drawn[value][0]["id"] if value in drawn else value for key, value in request["arguments"].items()}
    spoken = {name: str(pair[0][scene.language]) for name, pair in drawn.items()}
    said = dict(spoken)
    if scene.chance(CORRECTED_SHARE):
        name = scene.choice([value for value in request["arguments"].values() if value in drawn])
        wrong, right = str(drawn[name][1][scene.language]), spoken[name]
        correction = scene.phrase(home["corrections"], wrong=wrong, right=right)
        said[name] = correction[:1].lower() + correction[1:]
    return Request(
        words=scene.phrase(request["say"][scene.language], **said),
        call=ToolCall(name=request["tool"], arguments=arguments),
        reply=scene.phrase(request["reply"][scene.language], **spoken),
    )
