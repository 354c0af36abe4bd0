"""Nobody asks anything: the assistant warns of a hazard as soon as it is recognised, and lets look-alikes pass.

sound      [ alarm clock ]                               [ glass breaking ....... ]
visitor                    [ the alarm was tested, Anna ]
response                                                        ^ "It sounds like glass broke; watch your feet ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.vigilance import watch

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
        "[天气预报|收音机里|报纸上]说[周末|下周|夜里][有大风|会打雷|可能发洪水]。",
    ],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def environmental_hazard(scene: Scene) -> None:
    watch(scene, "environmental_hazard", TALK)
