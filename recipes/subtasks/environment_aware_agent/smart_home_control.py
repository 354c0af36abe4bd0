"""A request becomes a tool call, with arguments from words, corrections and sounds; requests to others do not.

user       [ light in the hall, no, the kitchen ]     [ Tom, open the blinds ]       [ turn that off ]
sound                                                                          [ fan ............... ]
response                                         ^ set_light(kitchen, on)                            ^ switch(fan, off)

user       [ when the doorbell rings, switch on the light in the hall ]    (nothing happens until then)
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.texts import load_texts
from soundflow_data.timeline import ToolCall

Request = tuple[str, ToolCall, str]


@subtask(ability="environment_aware_agent", needs=("speech", "sounds"))
def smart_home_control(scene: Scene) -> None:
    home = load_texts("smart_home")
    scene.instruct(scene.phrase(home["instructions"]))
    early, late = scene.chance(0.25), scene.chance(0.5)
    interlude(scene, most=1)
    if early:
        aside(scene, _draw(scene, home)[0])
        scene.pause(0.6, 2.0)
    devices = scene.offers(*home["devices"])
    way = scene.choice(["said", "said", "when", *(["heard"] if devices else [])])
    if way == "said":
        words, call, reply = _draw(scene, home)
        scene.respond(reply, evidence=scene.say(words, speaker=anybody(scene)).end, call=call, kind="tool_call")
    elif way == "heard":
        sound = scene.choose_sound(labels=devices, assistant="silent")
        device = home["devices"][sound.label]
        noise = scene.play(sound, meanwhile=True)
        scene.wait_until(noise.recognisable)
        scene.pause(0.2, 1.0)
        asked = scene.say(scene.phrase(home["that"]), speaker=anybody(scene))
        call = ToolCall(name="switch", arguments={"device": device["id"], "state": "off"})
        reply = scene.phrase(home["switched_off"], device=device[scene.language])
        scene.respond(
            reply, evidence=max(asked.end, noise.recognisable), on=[noise, asked], call=call, kind="tool_call"
        )
        scene.wait_until(noise.end)
    else:
        _when(scene, home)
    if late:
        scene.pause(0.6, 2.0)
        aside(scene, _draw(scene, home)[0])


def _when(scene: Scene, home: dict) -> None:  # type: ignore[type-arg]
    cue = scene.choose_distractor()
    words, call, reply = _draw(scene, home)
    asked = scene.say(scene.phrase(home["when"], sound=cue.phrase, request=words[:1].lower() + words[1:]))
    scene.respond(scene.phrase(home["understood"]), evidence=asked.end)
    scene.pause(0.8, 3.0)
    interlude(scene, unlike=cue, most=2)
    if scene.chance(0.3):
        scene.respond(scene.phrase(home["dropped"]), evidence=scene.say(scene.phrase(home["drop"])).end)
        scene.pause(0.8, 2.0)
        scene.stay_silent(scene.play(cue, max_s=4.0), "the instruction was cancelled")
        return
    heard = scene.play(cue, max_s=4.0)
    scene.respond(reply, evidence=heard.recognisable, on=[asked, heard], call=call, kind="tool_call")
    scene.promise(cue)


def _draw(scene: Scene, home: dict) -> Request:  # type: ignore[type-arg]
    request = scene.choice(home["requests"])
    drawn = {name: scene.sample(values, 2) for name, values in home["slots"].items()}
    arguments = {key: drawn[value][0]["id"] if value in drawn else value for key, value in request["arguments"].items()}
    spoken = {name: str(pair[0][scene.language]) for name, pair in drawn.items()}
    said = dict(spoken)
    if scene.chance(0.2):  # the speaker corrects one of the arguments
        name = scene.choice([value for value in request["arguments"].values() if value in drawn])
        wrong, right = str(drawn[name][1][scene.language]), spoken[name]
        said[name] = scene.phrase(home["corrections"], wrong=wrong, right=right)
        said[name] = said[name][:1].lower() + said[name][1:]
    words = scene.phrase(request["say"][scene.language], **said)
    reply = scene.phrase(request["reply"][scene.language], **spoken)
    return words, ToolCall(name=request["tool"], arguments=arguments), reply
