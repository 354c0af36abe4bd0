"""What the sub-tasks of translation have in common: whole sentences, or phrase by phrase while somebody speaks.

speaker    [ could you tell me ]   [ where the lift is? ]      [ this morning | I walked to the market ]
response   sentence by sentence                         ^       phrase by phrase ^                      ^

Pauses inside a sentence, sounds, and what is in the target language already add nothing. Where a split has recordings
with translations (CoVoST), sentences are taken from there in most episodes.
"""

from __future__ import annotations

from collections.abc import Sequence

from soundflow_data.bystanders import interlude
from soundflow_data.duty import begin, end
from soundflow_data.parallel import draw_phrases, draw_sentence
from soundflow_data.phrases import Table
from soundflow_data.scene import Scene
from soundflow_data.stage import Heard

RECORDED_SHARE = 0.7  # of episodes, where a split has recordings with translations
KNOWN_SHARE = 0.3
PAUSE_SHARE = 0.5


def translate_sentences(
    scene: Scene, *, source: str, target: str, written: Table, spoken: Table, played: Table
) -> None:
    """Writes one episode in which each sentence is translated when it has ended.

    Args:
        scene: The stream.
        source: Language of the speaker.
        target: Language of the translation.
        written: Instructions before the stream.
        spoken: Requests to translate what others say.
        played: Requests to translate recordings that are played.
    """
    recorded = scene.has_translations(source, target) and scene.chance(RECORDED_SHARE)

    def speak(*, pausing: bool) -> tuple[Heard, str]:
        if recorded:
            heard = scene.recite(language=source, into=target, speaker="speaker", max_s=12.0)
            return heard, heard.reply
        sentence = draw_sentence(scene)
        parts = sentence.parts(source) if pausing else (sentence.text(source),)
        for part in parts[:-1]:
            heard = scene.say(part, language=source, speaker="speaker")
            scene.stay_silent(heard, "the sentence goes on")
            scene.pause(0.5, 1.8)
        return scene.say(parts[-1], language=source, speaker="speaker"), sentence.text(target)

    def unasked() -> Heard:
        return speak(pausing=False)[0]

    begin(scene, written=written, spoken=played if recorded else spoken, idle=unasked)
    for _ in range(scene.integer(1, 4)):
        heard, translation = speak(pausing=scene.chance(PAUSE_SHARE))
        scene.respond(translation, evidence=heard.end, kind="translation", language=target)
        scene.pause(0.5, 2.0)
        _between(scene, target)
    end(scene, idle=unasked)


def translate_phrases(scene: Scene, *, source: str, target: str, written: Table, spoken: Table) -> None:
    """Writes one episode in which each phrase is translated as soon as its last word has been heard; see above."""

    def say(phrases: Sequence[tuple[str, str]], *, whole: bool = True) -> Heard:
        comma, stop = ("，", "。") if source == "zh" else (", ", ".")
        text = comma.join(phrase for phrase, _ in phrases) + (stop if whole else comma.strip())
        return scene.say(text, language=source, speaker="speaker")

    def unasked() -> Heard:
        return say(draw_phrases(scene, source))

    begin(scene, written=written, spoken=spoken, idle=unasked)
    for _ in range(scene.integer(1, 3)):
        phrases = draw_phrases(scene, source)
        cut = scene.integer(1, 2) if scene.chance(PAUSE_SHARE) else len(phrases)
        for part in (phrases[:cut], phrases[cut:]):  # a speaker may stop to think
            if part:
                scene.interpret(say(part, whole=part[-1] is phrases[-1]), part, language=target)
                scene.pause(0.5, 2.0)
        _between(scene, target)
    end(scene, idle=unasked)


def _between(scene: Scene, target: str) -> None:
    """Lets what needs no translation be heard, or nothing."""
    if scene.chance(KNOWN_SHARE):
        known = scene.say(draw_sentence(scene).text(target), language=target, speaker="host")
        scene.stay_silent(known, "in the target language already")
        scene.pause(0.5, 1.5)
    interlude(scene, most=1, talk=0.0, gap_s=(0.3, 1.2))
