"""An open question about a sound: asked behind it, answered when it ends; asked before it, when the sound is known.

sound      [ dog bark ]                                                    [ rooster ]
user                     [ what was that? ]     [ what will be next? ]
response                                   ^ "A dog barking."                   ^ "A rooster crowing."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.library import Sound

ABOUT = ("what", "kind", "place", "count", "next", "next")


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def open_audio_qa(scene: Scene) -> None:
    words = scene.texts("open_audio_qa")
    interlude(scene, most=2)
    about = scene.choice(ABOUT)
    sound = scene.choose_sound(assistant="silent", countable=about == "count", fresh=about == "count")
    known = _known(scene, sound, words)
    if about in ("kind", "place") and about not in known:
        about = "what"
    question = scene.phrase(words["questions"][about], sound=sound.phrase)
    times = scene.integer(1, 4) if about == "count" else 1
    if about == "next":
        asked = scene.say(question, speaker=anybody(scene))
        scene.stay_silent(asked, "nothing to answer it with yet")
        scene.pause(0.8, 4.0)
    for _ in range(times):
        heard = scene.play(sound, single=about == "count", max_s=4.0)
        scene.pause(0.6, 2.0)
    if about != "next":
        scene.stay_silent(heard, "nobody has asked about it yet")
        if scene.chance(0.5):
            aside(scene, question)
            scene.pause(0.6, 2.0)
        if scene.chance(0.25):
            return  # and nobody asks the assistant at all
        asked = scene.say(question, speaker=anybody(scene))
    if about == "count":
        text = words["times"][times - 1]
    else:
        comma = "，" if scene.language == "zh" else ", "
        text = scene.phrase(words["answers"], fact=comma.join([*known.get(about, ()), sound.phrase]))
    scene.respond(text, evidence=heard.recognisable if about == "next" else asked.end, on=[heard, asked])
    scene.pause(0.6, 2.0)
    if scene.chance(0.5):
        aside(scene, question if scene.chance(0.5) else "")


def _known(scene: Scene, sound: Sound, words: dict[str, dict[str, str]]) -> dict[str, list[str]]:
    """Returns what the ontology knows of a sound: its kind and its place, where there is one that can be told."""
    entry = scene.library.ontology.get(sound.label)
    if entry is None:
        return {}
    found = {"kind": words["sources"].get(entry.family), "place": words["places"].get(entry.setting)}
    return {about: [fact] for about, fact in found.items() if fact}
