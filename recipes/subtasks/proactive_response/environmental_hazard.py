"""Nobody asks anything: the assistant warns of a hazard as soon as it is recognised, and lets look-alikes pass.

sound      [ alarm clock ]                               [ glass breaking ....... ]
visitor                    [ the alarm was tested, Anna ]
response                                                        ^ "It sounds like glass broke; watch your feet ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside

DOMAIN = "environmental_hazard"
TALK = {  # about such things, which is no such thing
    "en": [
        "[the smoke alarm|the fire bell|the siren] was [tested|repaired|switched off] [yesterday|last week|on Monday].",
        "[there will be|they expect|I hope there is no] [thunder|hail|a gale] [tonight|tomorrow|at the weekend].",
        "[who broke|who has broken|did you replace] the [window|glass|mirror]?",
        "[I saw|there was] [an explosion|an earthquake|an avalanche] in [that film|the news|the documentary].",
        "[do you like|shall we watch] the [fireworks|thunderstorm|bonfire] [tonight|from the balcony|later]?",
    ],
    "zh": [
        "[烟雾报警器|火警铃|警报][昨天|上周|星期一][测试过了|修好了|关掉了]。",
        "[今晚|明天|周末][会打雷|会下冰雹|要刮大风]吗？",
        "是谁打碎了[窗户|玻璃|镜子]？",
        "[电影里|新闻里|纪录片里]有[爆炸|地震|雪崩]。",
        "[今晚|等会儿][看烟花|去阳台|点篝火]吗？",
    ],
}

WARNINGS = {
    "en": ["{advice}", "[Excuse me|Sorry to interrupt|Listen|Attention|Just so you know]. {advice}"],
    "zh": ["{advice}", "[打扰一下|听我说|请注意|提醒一下]。{advice}"],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def environmental_hazard(scene: Scene) -> None:
    steps = ["harmless"] * scene.integer(0, 2) + ["talk"] * scene.integer(0, 1)
    steps += ["danger"] * scene.chance(0.65)
    for step in scene.sample(steps or ["harmless"], len(steps) or 1):
        if step == "danger":
            sound = scene.choose_danger(DOMAIN)
            heard = scene.play(sound)
            warning = scene.phrase(WARNINGS, advice=scene.advice(sound))
            scene.respond(warning, evidence=heard.recognisable, kind="warning")
            scene.promise(sound)  # said once, so it is not heard again
        elif step == "harmless":
            scene.stay_silent(scene.play(scene.choose_harmless(DOMAIN)), "harmless")
        else:
            aside(scene, scene.phrase(TALK), reason="only talked about")
        scene.pause(0.6, 3.0)
