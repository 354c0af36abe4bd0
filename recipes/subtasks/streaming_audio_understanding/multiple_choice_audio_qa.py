"""The user offers three answers; the assistant picks one, when both the question and the sound have been heard.

user       [ which is it: one, a bell, two, a dog, three, rain? ]                 (or the question comes after)
sound                                                             [ dog bark ]
response                                                              ^ "Two, a dog barking."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude, pass_by


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def multiple_choice_audio_qa(scene: Scene) -> None:
    words = scene.texts("multiple_choice_audio_qa")
    interlude(scene, most=2)
    sound = scene.choose_distractor()
    choices = [sound]
    while len(choices) < 4:
        choices.append(scene.choose_sound(unlike=choices))
    right = scene.integer(0, 3)  # 3: none of the three
    offered = choices[1:]
    if right < 3:
        offered[right] = sound
    slots = {key: one.phrase for key, one in zip("abc", offered, strict=True)}
    when = scene.choice(["before", "after"])
    question = scene.phrase(words["questions"][when], **slots)
    if when == "before":
        asked = scene.say(question, speaker=anybody(scene))
        scene.stay_silent(asked, "the sound has not been heard yet")
        scene.pause(0.6, 3.0)
        heard = scene.play(sound, max_s=4.0)
    else:
        heard = scene.play(sound, max_s=4.0)
        scene.stay_silent(heard, "nobody has asked about it yet")
        scene.pause(0.5, 1.5)
        if scene.chance(0.3):
            aside(scene, question)
            scene.pause(0.6, 2.0)
        asked = scene.say(question, speaker=anybody(scene))
    table, number = (words["answers"], words["numbers"][right]) if right < 3 else (words["none"], "")
    text = scene.phrase(table, number=number, sound=sound.phrase)
    scene.respond(text, evidence=max(asked.end, heard.recognisable), on=[asked, heard])
    scene.pause(0.8, 2.5)
    if scene.chance(0.5):
        pass_by(scene, reason="the question is answered")
