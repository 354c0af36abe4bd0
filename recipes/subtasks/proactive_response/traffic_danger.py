"""Nobody asks anything: the assistant warns of traffic dangers, and lets ordinary traffic and talk about it pass.

sound      [ car passing ]                              [ tyres screeching ....... ]
visitor                    [ the road is icy, Peter ]
response                                                      ^ "Tyres are screeching. Step back from the road."
"""

from soundflow_data import Scene, subtask
from soundflow_data.vigilance import watch

TALK = {  # about such things, which is no such thing
    "en": [
        "[the road|our street|the crossing] is [icy|closed|very busy] [today|this week|at this hour].",
        "[a truck|somebody|the bus] [honked|braked hard|reversed] [at me|in front of us] [yesterday|this morning].",
        "[where|when] [does the bus stop|do we cross|did you park]?",
        "[I heard|there was] [a siren|a crash|a train] [last night|near the school|an hour ago].",
        "[wear|take|do not forget] your [helmet|lamp|bright jacket] [when you ride|tonight|on the bike].",
        "[how long|how far] is it to [the station|the bridge|your office] [by bike|on foot|in this traffic]?",
    ],
    "zh": [
        "[今天|这周|这会儿][路上很滑|那条街封了|路口车很多]。",
        "[昨天|今天早上][有辆卡车|有人|公交车][按了喇叭|急刹车|倒车]。",
        "[公交车停在哪儿|我们在哪儿过马路|你车停哪儿了]？",
        "[昨晚|刚才|一小时前]我听说[有警笛|撞车了|火车晚点]。",
        "[骑车|晚上|出门][戴上头盔|开着灯|穿亮色衣服]。",
        "[骑车|走路|坐公交]到[车站|桥边|公司]要多久？",
        "[前面|学校门口|桥上][总是堵车|在修路|限速了]。",
        "[你看到|听说][那起事故|那辆救护车|那次追尾]了吗？",
    ],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def traffic_danger(scene: Scene) -> None:
    watch(scene, "traffic_danger", TALK)
