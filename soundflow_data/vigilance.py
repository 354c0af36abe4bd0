"""What the proactive sub-tasks have in common: nobody asks, dangers are told, look-alikes and talk about them pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from soundflow_data.bystanders import aside
from soundflow_data.scene import Scene

WARNINGS = {
    "en": ["{advice}", "[Excuse me|Sorry to interrupt|Listen|Attention|Just so you know]. {advice}"],
    "zh": ["{advice}", "[打扰一下|听我说|请注意|提醒一下|不好意思]。{advice}"],
}


def watch(scene: Scene, domain: str, talk: Mapping[str, Sequence[str]]) -> None:
    """Writes one episode of a proactive domain.

    Args:
        scene: The stream.
        domain: Name in `manifests/proactive.yaml`.
        talk: What people say about such things, by language; it is no such thing.

    Raises:
        Drop: The split has no sound of the domain.
    """
    steps = ["harmless"] * scene.integer(0, 2) + ["talk"] * scene.chance(0.3)
    steps += ["danger"] * scene.chance(0.65)
    for step in scene.sample(steps or ["harmless"], len(steps) or 1):
        if step == "danger":
            warn(scene, domain)
        elif step == "harmless":
            scene.stay_silent(scene.play(scene.choose_harmless(domain)), "harmless")
        else:
            aside(scene, scene.phrase(talk), reason="only talked about")
        scene.pause(0.6, 3.0)


def warn(scene: Scene, domain: str) -> None:
    """Lets a danger of a domain be heard, and the assistant speak up as soon as it knows what it is.

    Raises:
        Drop: The split has no sound of the domain.
    """
    sound = scene.choose_danger(domain)
    heard = scene.play(sound)
    warning = scene.phrase(WARNINGS, advice=scene.advice(sound))
    scene.respond(warning, evidence=heard.recognisable, kind="warning")
    scene.promise(sound)  # said once, so it is not heard again
