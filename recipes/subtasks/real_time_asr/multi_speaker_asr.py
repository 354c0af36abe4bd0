"""Several people speak in turn; each word is written when it ends, and each change of speaker is marked.

person-1   [ the train is late ]  [ so we wait ]                      [ no idea ]
person-2                                          [ who told you? ]
response     [1] The train is late  so we wait    [2] Who told you?   [1] No idea
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end

INSTRUCTIONS = {
    "en": [
        "[Write down|Transcribe] [the conversation|what is said], and [mark|show] [each|every] change of speaker.",
        "[Give me|I need] a live transcript [with|that shows] who is speaking.",
    ],
    "zh": ["[请|]逐字写下[对话|大家说的话]，[换人说话时|每次换人]请标明。", "[请|]实时记录，[并|同时]标出说话人。"],
}
REQUESTS = {
    "en": [
        "[please |can you |]write down what the others say, and who[ says it| is speaking|].",
        "[transcribe|take down] [their talk|the others], with a mark [at|for] each change of speaker[, please|].",
    ],
    "zh": [
        "[请|麻烦你|]把他们[几位|]说的话记下来，[换人时标一下|并标明是谁]。",
        "[帮我|请]实时记录他们的[谈话|对话]，[每次|]换人都要标明。",
    ],
}
MARKS = {"en": "[Speaker {n}] ", "zh": "【说话人{n}】"}
PERSON = "person-"


@subtask(ability="real_time_asr", needs=("speech",))
def multi_speaker_asr(scene: Scene) -> None:
    def speak(person: str = "guest") -> Heard:
        return scene.say(scene.phrase(scene.texts("sentences")), speaker=person)

    begin(scene, written=INSTRUCTIONS, spoken=REQUESTS, idle=speak)
    said = [event.track for event in scene.events if event.track.startswith(PERSON)]  # in earlier episodes too
    most = min(3, max(1, len({*said}) + scene.num_free_voices()))  # no two of them share a voice
    for _ in range(scene.integer(3, 6)):
        others = sorted({*said} - {*said[-1:]})
        if said and scene.chance(0.35):
            person = said[-1]
        elif len({*said}) < most and (not others or scene.chance(0.6)):
            person = f"{PERSON}{len({*said}) + 1}"
        else:
            person = scene.choice(others or said)
        changed = said[-1:] != [person]
        mark = MARKS[scene.language].format(n=person.removeprefix(PERSON)) if changed else ""
        scene.transcribe(speak(person), mark=mark)
        said.append(person)
        scene.pause(0.3, 1.5)
        interlude(scene, most=1, talk=0.0, gap_s=(0.3, 1.0))
    end(scene, idle=speak)
