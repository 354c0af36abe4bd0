"""A request becomes a tool call, with arguments from words, corrections and sounds; requests to others do not.

user       [ light in the hall, no, the kitchen ]     [ Tom, open the blinds ]       [ turn that off ]
sound                                                                          [ fan ............... ]
response                                         ^ set_light(kitchen, on)                            ^ switch(fan, off)

user       [ when the doorbell rings, switch on the light in the hall ]    (nothing happens until then)
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.home import draw_request
from soundflow_data.texts import load_texts
from soundflow_data.timeline import ToolCall


@subtask(ability="environment_aware_agent", needs=("speech", "sounds"))
def smart_home_control(scene: Scene) -> None:
    home = load_texts("smart_home")
    scene.instruct(scene.phrase(home["instructions"]))
    early, late = scene.chance(0.25), scene.chance(0.5)
    interlude(scene, most=1)
    if early:
        aside(scene, draw_request(scene).words)
        scene.pause(0.6, 2.0)
    devices = scene.offers(*home["devices"])
    way = scene.choice(["said", "said", "when", *(["heard"] if devices else [])])
    if way == "said":
        request = draw_request(scene)
        asked = scene.say(request.words, speaker=anybody(scene))
        scene.respond(request.reply, evidence=asked.end, call=request.call, kind="tool_call")
    elif way == "heard":
        _switch_off(scene, home, devices)
    else:
        _when(scene, home)
    if late:
        scene.pause(0.6, 2.0)
        aside(scene, draw_request(scene).words)


def _switch_off(scene: Scene, home: dict, devices: list[str]) -> None:  # type: ignore[type-arg]
    sound = scene.choose_sound(labels=devices, assistant="silent")
    device = home["devices"][sound.label]
    noise = scene.play(sound, meanwhile=True)
    scene.wait_until(noise.recognisable)
    scene.pause(0.2, 1.0)
    asked = scene.say(scene.phrase(home["that"]), speaker=anybody(scene))
    call = ToolCall(name="switch", arguments={"device": device["id"], "state": "off"})
    reply = scene.phrase(home["switched_off"], device=device[scene.language])
    scene.respond(reply, evidence=max(asked.end, noise.recognisable), on=[noise, asked], call=call, kind="tool_call")
    scene.wait_until(noise.end)


def _when(scene: Scene, home: dict) -> None:  # type: ignore[type-arg]
    cue, request = scene.choose_distractor(), draw_request(scene)
    words = request.words[:1].lower() + request.words[1:]
    asked = scene.say(scene.phrase(home["when"], sound=cue.phrase, request=words))
    scene.respond(scene.phrase(home["understood"]), evidence=asked.end)
    scene.pause(0.8, 3.0)
    interlude(scene, unlike=cue, most=2)
    if scene.chance(0.3):
        scene.respond(scene.phrase(home["dropped"]), evidence=scene.say(scene.phrase(home["drop"])).end)
        scene.pause(0.8, 2.0)
        scene.stay_silent(scene.play(cue, max_s=4.0), "the instruction was cancelled")
        return
    heard = scene.play(cue, max_s=4.0)
    scene.respond(request.reply, evidence=heard.recognisable, on=[asked, heard], call=request.call, kind="tool_call")
    scene.promise(cue)
