"""An open question about a sound: asked behind it, answered when it ends; asked before it, when the sound is known.

sound      [ dog bark ]                                                    [ rooster ]
user                     [ what was that? ]     [ what will be next? ]
response                                   ^ "A dog barking."                   ^ "A rooster crowing."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import anybody, aside, interlude
from soundflow_data.library import Sound

QUESTIONS = {
    "en": {
        "what": ["what [was|made] that[ sound| noise|]?", "[can you|could you] tell me what that [sound |noise |]was?"],
        "kind": [
            "what kind of [thing|source] [made that|was that|did that come from]?",
            "who or what made that[ sound|]?",
        ],
        "place": ["[would you|do people] hear that indoors or outdoors?", "is that a sound from indoors or outdoors?"],
        "count": ["how [often|many times] did you hear {sound}?", "how many times was there {sound}[ just now|]?"],
        "next": ["what [is|will be] the next sound?", "[listen|wait], [and tell me what comes now|what is this now]?"],
    },
    "zh": {
        "what": ["[刚才|刚刚]那是什么[声音|动静]？", "你能[告诉我|说说]刚才是什么声音吗？"],
        "kind": ["刚才的声音是什么[东西|]发出来的？", "那是[哪一类|什么种类的]声音？"],
        "place": ["[刚才|]那种声音是在室内还是室外[听到的|常有的]？"],
        "count": ["你[刚才|]听到了几次{sound}？", "{sound}[一共|]响了几次？"],
        "next": ["下一个声音是什么？", "[听着|等一下]，[接下来是什么|马上响的是什么]？"],
    },
}
ANSWERS = {"en": ["[that was|it was|I heard] {fact}.", "{fact}."], "zh": ["[那是|是|我听到的是]{fact}。", "{fact}。"]}
SOURCES = {
    "animals": {"en": "an animal", "zh": "动物"},
    "people": {"en": "a person", "zh": "人"},
    "machines": {"en": "a machine", "zh": "机器"},
    "vehicles": {"en": "a vehicle", "zh": "交通工具"},
    "music": {"en": "a piece of music", "zh": "音乐"},
}
PLACES = {"indoor": {"en": "indoors", "zh": "室内"}, "outdoor": {"en": "outdoors", "zh": "室外"}}
TIMES = {"en": ["once", "twice", "three times", "four times"], "zh": ["一次", "两次", "三次", "四次"]}


@subtask(ability="streaming_audio_understanding", background=False, needs=("speech", "sounds"))
def open_audio_qa(scene: Scene) -> None:
    interlude(scene, most=2)
    about = scene.choice(["what", "kind", "place", "count", "next", "next"])
    sound = scene.choose_sound(assistant="silent", countable=about == "count", fresh=about == "count")
    if (about == "kind" and _family(scene, sound) not in SOURCES) or (
        about == "place" and _place(scene, sound) == "both"
    ):
        about = "what"
    question = scene.phrase(QUESTIONS[scene.language][about], sound=sound.phrase)
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
    facts = {"kind": SOURCES.get(_family(scene, sound)), "place": PLACES.get(_place(scene, sound))}.get(about)
    fact = f"{facts[scene.language]}, {sound.phrase}" if facts else sound.phrase
    text = scene.phrase(ANSWERS, fact=fact.replace(", ", "，") if scene.language == "zh" else fact)
    if about == "count":
        text = TIMES[scene.language][times - 1]
    scene.respond(text, evidence=heard.recognisable if about == "next" else asked.end, on=[heard, asked])
    scene.pause(0.6, 2.0)
    if scene.chance(0.5):
        aside(scene, question if scene.chance(0.5) else "")


def _family(scene: Scene, sound: Sound) -> str:
    entry = scene.library.ontology.get(sound.label)
    return entry.family if entry else ""


def _place(scene: Scene, sound: Sound) -> str:
    entry = scene.library.ontology.get(sound.label)
    return entry.setting if entry else "both"
