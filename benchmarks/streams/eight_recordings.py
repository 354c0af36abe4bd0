"""Four recorded sentences and four sounds out of a large bank: 8 foreground events in a minute.

speaker    [ recorded sentence ]               [ recorded sentence ]                 ... four times
sound                              [ sound ]                            [ sound ]
response      every word           ^ "I heard ..."
"""

from soundflow_data import Scene, subtask


@subtask(ability="real_time_asr", languages=("en",), needs=("sounds", "recordings"))
def eight_recordings(scene: Scene) -> None:
    for _ in range(4):
        scene.transcribe(scene.recite(speaker="speaker"))
        scene.pause(2.0, 4.0)
        sound = scene.choose_sound()
        heard = scene.play(sound, max_s=3.0)
        scene.respond(f"I heard {sound.phrase}.", evidence=heard.recognisable)
        scene.pause(2.0, 4.0)
