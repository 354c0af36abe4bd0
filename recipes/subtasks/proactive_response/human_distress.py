"""Nobody asks anything: the assistant helps when somebody is in distress, and lets laughter, sneezes and talk pass.

sound      [ laughter ]                                [ choking ....... ]
visitor                  [ he coughed all night, Anna ]
response                                                       ^ "Someone is choking. Give five firm blows ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.vigilance import watch

TALK = {  # about such things, which is no such thing
    "en": [
        "[he|she|the baby|my uncle] [coughed|cried|snored] [all night|the whole way|for an hour].",
        "[you should|I will] [see a doctor|take a painkiller|lie down] [if it hurts|tomorrow|when we are home].",
        "[do you remember|did I tell you] [how she screamed|when he fell off the ladder|how the baby cried]?",
        "[the film|that scene] [made me scream|was so sad that I cried|took my breath away].",
        "[somebody|a man] [called for help|fell over|choked] in [the story|that play|the last chapter].",
        "[my neighbour|your cousin|the teacher] [has a cold|broke his arm|fainted once] [again|last winter|at school].",
    ],
    "zh": [
        "[他|她|宝宝|叔叔][咳了|哭了|打呼噜打了][一晚上|一路|一个钟头]。",
        "[疼的话|明天|到家以后][去看医生|吃片止痛药|躺一会儿]吧。",
        "[还记得|我说过]她[上次尖叫|从梯子上摔下来|哭了一路]吗？",
        "[电影里|书里|故事里]有人[呼救|摔倒|噎住]了。",
        "[那部电影|那一幕][让我哭了|把我吓得叫起来]。",
        "[邻居|表哥|老师][去年|上个月|上周][感冒了|摔断了胳膊|晕倒过]。",
        "[别|不要]让[宝宝|孩子|弟弟][一个人爬高|吃太快|哭太久]。",
        "[昨天|那天][谁|哪个孩子][哭得那么厉害|一直在喊|摔了一跤]？",
    ],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def human_distress(scene: Scene) -> None:
    watch(scene, "human_distress", TALK)
