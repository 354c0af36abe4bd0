"""A long task goes to a background model; talk goes on; the result is told when it is there, unless called off.

user       [ find a train to Rome ]                              [ capital of Japan? ]
response                          ^ delegate("It takes 15 seconds.")                 ^ "Tokyo."    ^ "The train ..."
                                  |<- issued ------------------------------------ 15 s ----------->| returned
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.exchanges import ask, draw_exchange
from soundflow_data.questions import draw_fact
from soundflow_data.stage import Heard
from soundflow_data.timeline import SAMPLE_RATE, ToolCall

Task = tuple[str, dict[str, str], str]  # its name, its arguments, and what comes back


@subtask(ability="environment_aware_agent", needs=("speech",))
def delegated_task(scene: Scene) -> None:
    table = scene.texts("tasks")
    early, late = scene.chance(0.35), scene.chance(0.6)
    interlude(scene, most=1, talk=0.7)
    if early:
        aside(scene, _draw(scene)[0])
        scene.pause(0.6, 2.0)
    number = sum(response.kind == "delegated" for response in scene.responses) + 1
    asked, (task, arguments, result) = _ask(scene)
    seconds = scene.integer(9, 20)
    called_off = seconds >= 15 and scene.chance(0.5)
    returned = asked.end + seconds * SAMPLE_RATE
    issue = ToolCall(name="delegate", arguments={"id": number, "task": task, **arguments})
    handed = scene.phrase(table["handed"], seconds=seconds)
    scene.respond(handed, evidence=asked.end, call=issue, kind="delegated")
    scene.pause(0.3, 1.2)
    if called_off:
        stop = scene.say(scene.phrase(table["stops"]))  # ends well before the result would be there
        drop = ToolCall(name="cancel", arguments={"id": number})
        scene.respond(scene.phrase(table["stopped"]), evidence=stop.end, call=drop, kind="tool_call")
    else:
        if seconds >= 15 and scene.chance(0.5):  # time for something else
            question, answer = draw_fact(scene)
            scene.respond(answer, evidence=scene.say(question).end)
        elif seconds >= 12:
            aside(scene, scene.phrase(table["stops"]))  # somebody else's task, so this one goes on
        times = {"id": number, "issued_s": asked.end / SAMPLE_RATE, "returned_s": returned / SAMPLE_RATE}
        done = ToolCall(name="result", arguments={**times, "text": result})
        scene.respond(result, evidence=asked.end, at=returned, on=asked, call=done, kind="delegated_result")
    scene.wait_until(returned)
    scene.pause(0.5, 1.5)
    if late:
        aside(scene, _draw(scene)[0])
        scene.pause(0.5, 1.5)
    interlude(scene, most=2, talk=0.7)


def _ask(scene: Scene) -> tuple[Heard, Task]:
    exchange = draw_exchange(scene)
    if exchange:
        return ask(scene, exchange), ("answer", {"request": exchange.text}, exchange.reply)
    words, task = _draw(scene)
    return scene.say(words), task


def _draw(scene: Scene) -> tuple[str, Task]:
    task = scene.choice(scene.texts("tasks")["tasks"])
    slots = {name: str(scene.choice(values)) for name, values in task["slots"].items()}
    arguments = {name: slots[name] for name in task["arguments"]}
    return scene.phrase(task["ask"], **slots), (task["name"], arguments, scene.phrase(task["result"], **slots))
