"""Four requests from a bank of utterances and four sounds, each answered: 8 foreground events in a minute.

user       [ request ]                            [ request ]
sound                       [ sound ]                               [ sound ]           ... four times
response               ^ "All right."     ^ "I heard it."     ^            ^
"""

from soundflow_data import Scene, subtask

REQUESTS = [
    f"{start} {what} {when}."
    for start in ("Please listen for", "Could you watch out for", "Tell me about", "I am waiting for")
    for what in ("the kettle", "the old clock", "someone at the door", "the neighbour's dog", "the rain on the roof")
    for when in ("this evening", "before lunch")
]
ANSWERS = ["[all right|okay|sure|of course].", "[I will|I am glad to|I can do that]."]
REPORTS = ["[I heard|there was] {sound}.", "[that was|it sounded like] {sound}."]


@subtask(ability="streaming_audio_understanding", languages=("en",), needs=("sounds", "speech"))
def eight_events(scene: Scene) -> None:
    for _ in range(4):
        request = scene.say(scene.choice(REQUESTS))
        scene.respond(scene.phrase(ANSWERS), evidence=request.end)
        scene.pause(2.0, 4.0)
        sound = scene.choose_sound()
        heard = scene.play(sound, max_s=3.0)
        scene.respond(scene.phrase(REPORTS, sound=sound.phrase), evidence=heard.recognisable)
        scene.pause(2.0, 4.0)
