"""Nobody asks anything: the assistant helps when somebody is in distress, and lets laughter, sneezes and talk pass.

sound      [ laughter ]                                [ choking ....... ]
visitor                  [ he coughed all night, Anna ]
response                                                       ^ "Someone is choking. Give five firm blows ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside

DOMAIN = "human_distress"
TALK = {  # about such things, which is no such thing
    "en": [
        "[he|she|the baby|my uncle] [coughed|cried|snored] [all night|the whole way|for an hour].",
        "[you should|I will] [see a doctor|take a painkiller|lie down] [if it hurts|tomorrow|when we are home].",
        "[do you remember|did I tell you] [how she screamed|when he fell off the ladder|how the baby cried]?",
        "[the film|that scene] [made me scream|was so sad that I cried|took my breath away].",
        "[somebody|a man] [called for help|fell over|choked] in [the story|that play|the last chapter].",
    ],
    "zh": [
        "[他|她|宝宝|叔叔][咳了|哭了|打呼噜打了][一晚上|一路|一个钟头]。",
        "[疼的话|明天|到家以后][去看医生|吃片止痛药|躺一会儿]吧。",
        "[还记得|我说过]她[上次尖叫|从梯子上摔下来|哭了一路]吗？",
        "[电影里|书里|故事里]有人[呼救|摔倒|噎住]了。",
        "[那部电影|那一幕][让我哭了|把我吓得叫起来]。",
    ],
}

WARNINGS = {
    "en": ["{advice}", "[Excuse me|Sorry to interrupt|Listen|Attention|Just so you know]. {advice}"],
    "zh": ["{advice}", "[打扰一下|听我说|请注意|提醒一下]。{advice}"],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def human_distress(scene: Scene) -> None:
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
