"""A standing instruction is replaced, widened or cancelled; what was said last holds, and only to the assistant.

user       [ say so when it barks ]             [ rather when it knocks ]
sound                                [ bark ]                              [ bark ]    [ knock ]
response                          ^ "I will." ^ "A bark."              ^ "All right."        ^ "A knock."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.library import Sound


@subtask(ability="streaming_instruction_following", needs=("speech", "sounds"))
def instruction_change(scene: Scene) -> None:
    words = scene.texts("instruction_change")
    first = scene.choose_distractor()
    second = scene.choose_distractor(unlike=first)
    slots = {"first": first.phrase, "second": second.phrase}
    if scene.chance(0.4):
        scene.stay_silent(scene.play(scene.choice([first, second]), max_s=4.0), "nobody has asked yet")
        scene.pause(0.5, 2.0)
    request = scene.say(scene.phrase(words["requests"], **slots))
    scene.respond(scene.phrase(words["replies"]), evidence=request.end)
    early = [sound for sound in (first, second) if scene.chance(0.5)]
    _listen(scene, [first, second], early, active={first.label})
    change = scene.choice(["replace", "add", "cancel"])
    changed = scene.phrase(words["changes"][change], **slots)
    active = {"replace": {second.label}, "add": {first.label, second.label}, "cancel": set()}[change]
    if scene.chance(0.2):
        aside(scene, changed)  # not the assistant's business, so nothing changes
        active = {first.label}
    else:
        scene.respond(scene.phrase(words["replies"]), evidence=scene.say(changed).end)
    _listen(scene, [first, second], [first, second], active=active)
    for sound in (first, second):
        if sound.label in active:
            scene.promise(sound)


def _listen(scene: Scene, pair: list[Sound], sounds: list[Sound], *, active: set[str]) -> None:
    alerts = scene.texts("instruction_change")["alerts"]
    for sound in scene.sample(sounds, len(sounds)):
        scene.pause(0.6, 2.5)
        interlude(scene, unlike=pair, most=1, gap_s=(0.4, 1.5))
        heard = scene.play(sound, max_s=4.0)
        if sound.label in active:
            scene.respond(scene.phrase(alerts, sound=sound.phrase), evidence=heard.recognisable, kind="trigger")
        else:
            scene.stay_silent(heard, "the instruction does not cover it now")
