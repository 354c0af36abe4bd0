"""Nobody asks anything: the assistant speaks up when a machine fails or leaks, and lets healthy machines and talk pass.

sound      [ washing machine ..... ]                               [ bearing grinding ....... ]
visitor                              [ the fan was repaired, Tom ]
response                                                                  ^ "A bearing is grinding; switch it off ..."
"""

from soundflow_data import Scene, subtask
from soundflow_data.vigilance import watch

TALK = {  # about such things, which is no such thing
    "en": [
        "[the fan|our boiler|the washing machine|my car] was [repaired|checked|replaced] [yesterday|last week|twice].",
        "[did you call|have you paid|who called] the [plumber|electrician|mechanic]?",
        "[the pipe|the engine|the motor] [made a strange noise|was leaking|stalled] [last winter|on Monday|years ago].",
        "[I read|they say] that [gas leaks|burst pipes|short circuits] are [rare|dangerous|expensive].",
        "[we need|let us buy] a new [fan|drill|mixer|belt] [soon|next month|for the workshop].",
    ],
    "zh": [
        "[风扇|锅炉|洗衣机|汽车][昨天|上周|前天][修好了|检查过了|换了新的]。",
        "你[叫了|联系了|付了][水管工|电工|修车师傅][吗|没有]？",
        "[水管|发动机|电机][去年冬天|星期一|以前][漏过水|响得奇怪|坏过]。",
        "[听说|书上说][煤气泄漏|水管爆裂|短路]很[少见|危险|费钱]。",
        "[我们|该]买[台新风扇|把新电钻|个新搅拌机]了。",
        "[热水器|空调|冰箱|烤箱][该修了|保修过期了|用了十年了]。",
    ],
}


@subtask(ability="proactive_response", needs=("speech", "sounds"))
def equipment_fault(scene: Scene) -> None:
    watch(scene, "equipment_fault", TALK)
