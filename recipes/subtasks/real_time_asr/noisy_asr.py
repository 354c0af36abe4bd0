"""A speaker over a loud machine, weather or music: only the words are written, the noise alone adds nothing.

sound      [ vacuum cleaner .............................. ]      [ rain ............ ]
speaker           [ the  train  leaves  at  nine ]
response            the  train  leaves  at  nine
"""

from soundflow_data import Heard, Scene, subtask
from soundflow_data.duty import begin, end
from soundflow_data.transcription import RECORDED_SHARE

INSTRUCTIONS = {
    "en": [
        "[Write down|Transcribe] [the speech|what is said|every word] [in spite of|over|through] the noise.",
        "[It is loud here|There is noise]; [give me|I need] a live transcript[ all the same|].",
    ],
    "zh": [
        "[不管多吵|噪声很大]，[请|也要][逐字|实时]写下[听到的话|别人说的话]。",
        "[请|]在噪声中[逐字|实时]记录说话内容。",
    ],
}
REQUESTS = {
    "en": [
        "[it is noisy|it is loud here|I can hardly hear], [please |]write down what [my guest|the speaker] says.",
        "[please |can you |could you |]take down [my guest's|the speaker's] words over this noise.",
    ],
    "zh": [
        "[这里很吵|声音太大了|我听不清]，[请|麻烦你|]写下[客人|主讲人]说的话。",
        "[请|帮我]在这噪声里[逐字|实时]记下[客人|我同事]说的。",
    ],
}
RECORDINGS = {
    "en": [
        "[I will play a recording|here comes a recording], it is noisy; [write it down|take down the words].",
        "[please |can you |could you |]write down this noisy recording[ word by word| for me|].",
    ],
    "zh": [
        "[我放一段录音|下面是录音]，噪声很大，[请|帮我]写下里面说的话。",
        "[请|麻烦你|]把这段嘈杂的录音[逐字|]记下来。",
    ],
}
NOISES = (  # nothing with words in it
    "vacuum_cleaner", "hair_dryer", "blender", "electric_drill", "washing_machine", "fan", "air_conditioner", "rain",
    "wind", "sea_waves", "engine_idle", "lawn_mower", "chainsaw", "printer", "frying", "applause", "train_passing",
    "car_passing", "keyboard_typing", "machine_hum", "plucked_melody", "piano_chords", "drum_beat", "violin_tune",
    "flute_tune", "trumpet_tune", "organ_chords", "music_box", "orchestra", "electronic_music",
)  # fmt: skip


@subtask(ability="real_time_asr", needs=("speech", "sounds"))
def noisy_asr(scene: Scene) -> None:
    recorded = scene.has_timed_recordings and scene.chance(RECORDED_SHARE)

    def speak() -> Heard:
        if recorded:
            return scene.recite(timed=True, speaker="speaker", max_s=8.0)
        return scene.say(scene.phrase(scene.texts("sentences")), speaker="speaker")

    begin(scene, written=INSTRUCTIONS, spoken=RECORDINGS if recorded else REQUESTS, idle=speak)
    for _ in range(scene.integer(2, 4)):
        noise = scene.play(scene.choose_sound(labels=NOISES, assistant="silent"), max_s=8.0, meanwhile=True)
        scene.pause(0.2, 1.5)
        if scene.chance(0.75):
            scene.transcribe(speak())
        else:
            scene.stay_silent(noise, "noise without words")
        scene.wait_until(noise.end)
        scene.pause(0.2, 1.0)
    end(scene, idle=speak)
