"""A long task goes to a background model; talk goes on; the result is told when it is there, unless called off.

user       [ find a train to Rome ]                              [ capital of Japan? ]
response                          ^ delegate("It takes 15 seconds.")                 ^ "Tokyo."    ^ "The train ..."
                                  |<- issued ------------------------------------ 15 s ----------->| returned
"""

from soundflow_data import Scene, subtask
from soundflow_data.bystanders import aside, interlude
from soundflow_data.timeline import SAMPLE_RATE, ToolCall


@subtask(ability="environment_aware_agent", needs=("speech",))
def delegated_task(scene: Scene) -> None:
    table = scene.texts("tasks")
    interlude(scene, most=2)
    if scene.chance(0.6):
        aside(scene, _draw(scene, table)[0])
        scene.pause(0.6, 2.0)
    words, task, arguments, result = _draw(scene, table)
    number = sum(response.kind == "delegated" for response in scene.responses) + 1
    asked = scene.say(words)
    seconds = scene.integer(15, 20) if scene.chance(0.6) else scene.integer(9, 14)
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
        scene.pause(0.5, 1.5)
        interlude(scene, most=2)
        scene.wait_until(returned)
        return
    if seconds >= 15:  # time for something else
        fact = scene.choice(scene.texts("facts"))
        other = scene.say(scene.choice(fact["questions"]))
        scene.respond(scene.choice(fact["answers"]), evidence=other.end)
    times = {"id": number, "issued_s": asked.end / SAMPLE_RATE, "returned_s": returned / SAMPLE_RATE}
    done = ToolCall(name="result", arguments={**times, "text": result})
    scene.respond(result, evidence=asked.end, at=returned, on=asked, call=done, kind="delegated_result")
    scene.wait_until(returned)
    scene.pause(0.5, 1.5)
    interlude(scene, most=2)


def _draw(scene: Scene, table: dict) -> tuple[str, str, dict[str, str], str]:  # type: ignore[type-arg]
    task = scene.choice(table["tasks"])
    slots = {name: str(scene.choice(values)) for name, values in task["slots"].items()}
    arguments = {name: slots[name] for name in task["arguments"]}
    return scene.phrase(task["ask"], **slots), task["name"], arguments, scene.phrase(task["result"], **slots)
