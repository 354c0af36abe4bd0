"""One offline turn: a written question about a sound, the sound, and its name at the end.

instruction   what is heard?
sound         [ dog bark .... ]
response                      ^ "A dog barking."
"""

from soundflow_data import Scene, subtask

QUESTIONS = {
    "en": ["What [is heard|can be heard|is this sound]?", "[Name|Describe] the sound."],
    "zh": ["[听到了什么|这是什么声音]？", "[说出|描述]这个声音。"],
}


@subtask(ability="streaming_audio_understanding", background=False, needs=("sounds",))
def describe(scene: Scene) -> None:
    scene.instruct(scene.phrase(QUESTIONS[scene.language]))
    sound = scene.choose_sound()
    answer = scene.phrase(scene.texts("sound_event_narration")["reports"], sound=sound.phrase)
    scene.respond(answer, evidence=scene.play(sound, max_s=6.0).end)
    scene.finish()
