"""What the sub-tasks have in common that write down one language as it is spoken.

user       [ write down what she says ]                                          [ that is enough ]
speaker                                 [ the train leaves at nine ]                                [ ... words ... ]
guest                                                                [ 火车 九点 ]
response                              ^ "Okay." the train leaves at nine ]                        ^ "Done."

Where a split has recordings with word times, they are played in most episodes: a written instruction covers all of
them, a spoken one asks for what is played.
"""

from __future__ import annotations

from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end
from soundflow_data.phrases import Table
from soundflow_data.scene import Scene
from soundflow_data.stage import Heard
from soundflow_data.texts import load_texts

RECORDED_SHARE = 0.7  # of episodes, where a split has recordings with word times
FOREIGN_SHARE = 0.25


def write_down(scene: Scene, *, language: str, other: str, written: Table, spoken: Table, played: Table) -> None:
    """Writes one episode of transcription.

    Args:
        scene: The stream.
        language: What is written down.
        other: A language that is not.
        written: Instructions before the stream.
        spoken: Requests to write down what others say.
        played: Requests to write down recordings that are played.
    """
    recorded = scene.has_timed_recordings and scene.chance(RECORDED_SHARE)

    def speak() -> Heard:
        if recorded:
            return scene.recite(timed=True, language=language, speaker="speaker")
        return scene.say(scene.phrase(load_texts("sentences")[language]), language=language, speaker="speaker")

    begin(scene, written=written, spoken=played if recorded else spoken, idle=speak)
    for _ in range(scene.integer(1, 4)):
        scene.transcribe(speak())
        scene.pause(0.3, 2.0)
        if scene.num_voices(other) and scene.chance(FOREIGN_SHARE):
            foreign = scene.say(scene.phrase(load_texts("sentences")[other]), language=other, speaker="guest")
            scene.stay_silent(foreign, "not in the language that was asked for")
            scene.pause(0.3, 1.5)
        interlude(scene, most=1, talk=0.0, gap_s=(0.3, 1.2))
    end(scene, idle=speak)
