"""The common promises, held by every sub-task file that exists, and the particular ones of some."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

from soundflow_data.bank import Bank
from soundflow_data.bank.build import build_bank
from soundflow_data.bank.readers.builtin_sounds import BuiltinSounds
from soundflow_data.corpus import Corpus
from soundflow_data.dice import Dice
from soundflow_data.errors import Drop, SubtaskError
from soundflow_data.library import Library
from soundflow_data.ontology import load_abilities, load_ontology, load_proactive
from soundflow_data.parallel import PARTS
from soundflow_data.phrases import count_forms
from soundflow_data.recipe import load_recipe
from soundflow_data.scene import Scene
from soundflow_data.subtasks import ABILITIES, builtin_subtasks, find_subtask, load_subtask
from soundflow_data.targets import decision_time_s, project
from soundflow_data.texts import load_texts
from soundflow_data.timeline import SAMPLE_RATE, Timeline
from soundflow_data.vigilance import WARNINGS
from soundflow_pipelines.plan import make_plan

ALL = sorted(builtin_subtasks())
GOLDEN = Path(__file__).parent / "golden" / "subtasks.json"
NUM_STREAMS = 10  # per sub-task and language
SPEECH_WORK = ("real_time_asr", "streaming_translation")

KINDS = (
    "dog_bark", "cat_meow", "doorbell", "door_knock", "desk_bell", "bicycle_bell", "phone_ring", "keys_jingle",
    "footsteps", "coin_drop", "kettle_whistle", "hammer_blow", "laughter", "sobbing", "yawn", "cough", "applause",
    "baby_cry", "scream", "throat_clearing", "fan", "rattling_fan", "gas_leak", "machine_hum", "vacuum_cleaner",
    "blender", "glass_breaking", "smoke_alarm", "thunder", "rain", "wind", "alarm_clock", "car_horn", "siren_wail",
    "engine_idle", "car_passing", "plucked_melody", "piano_chords", "drum_beat", "violin_tune", "rooster", "cow",
    "white_noise", "pink_noise", "office_ambience", "street_ambience", "brown_noise",
)  # fmt: skip


@pytest.fixture(scope="module")
def rich_bank(tmp_path_factory: pytest.TempPathFactory) -> Bank:
    """Sounds of every ability, a clip each."""
    path = tmp_path_factory.mktemp("rich") / "sounds"
    build_bank(BuiltinSounds(kinds=KINDS, clips=1, beds=1, bed_s=6.0), path)
    return Bank.open(path)


@pytest.fixture(scope="module")
def play(rich_bank: Bank, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Timeline]]:
    """Plans the first streams of a sub-task in a language; each sub-task once."""
    folder = tmp_path_factory.mktemp("recipes")
    corpora: dict[tuple[str, str], Corpus] = {}
    played: dict[tuple[str, str], list[Timeline]] = {}

    def corpus_of(name: str, language: str) -> Corpus:
        if (name, language) not in corpora:
            path = folder / f"{len(corpora)}.yaml"
            recipe = {
                "name": "subtasks",
                "seed": 11,
                "streams": 100,
                "duration_s": [16, 32],
                "languages": {language: 1.0},
                "splits": {"train": 1.0},
                "subtasks": {name: 1.0},
                "banks": {"sounds": {"path": str(rich_bank.path)}},
                "streams_per_shard": 10,
            }
            path.write_text(yaml.safe_dump(recipe))
            corpora[name, language] = Corpus(load_recipe(path), {"sounds": rich_bank})
        return corpora[name, language]

    def streams(name: str, language: str) -> list[Timeline]:
        if (name, language) not in played:
            corpus = corpus_of(name, language)
            played[name, language] = [timeline for i in range(NUM_STREAMS) for timeline in _compose(corpus, i)]
        return played[name, language]

    streams.corpus_of = corpus_of  # type: ignore[attr-defined]
    return streams


def _compose(corpus: Corpus, index: int) -> list[Timeline]:
    try:
        return [corpus.compose(corpus.spec("train", index))]
    except Drop as drop:
        if drop.reason != "longer than the recipe allows":
            raise
        return []


def streams_of(name: str, play: Callable[..., list[Timeline]]) -> list[Timeline]:
    return [
        timeline for language in load_subtask(builtin_subtasks()[name]).languages for timeline in play(name, language)
    ]


def test_every_published_subtask_is_there_and_no_other() -> None:
    published = {f"{ability.name}/{task.name}" for ability in load_abilities().abilities for task in ability.subtasks}
    assert set(ALL) == published
    assert len(ALL) == 28
    assert {name.split("/")[0] for name in ALL} == set(ABILITIES)


@pytest.mark.parametrize("name", ALL)
def test_files_are_short_and_drawn(name: str) -> None:
    path = builtin_subtasks()[name]
    task = load_subtask(path)
    assert task.id == name
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= 95
    docstring = text.split('"""')[1]
    drawing = docstring.partition("\n\n")[2]
    assert "response" in drawing, "the docstring draws one example stream"


FEWEST_FORMS = 300
SHARED = {  # tables that are read on behalf of a sub-task, by what it calls
    "begin(": ("duty",),
    "draw_fact(": ("facts",),
    "write_down(": ("duty", "sentences"),
    "translate_sentences(": ("duty", "parallel_sentences"),
    "translate_phrases(": ("duty",),
}
VALUES = ("capitals", "music")  # tables of values for slots
SLOT_SIZES = {  # how many values a slot may take, at the least; 1 where other slots of the text decide it
    "sound": 100, "first": 100, "second": 100, "later": 100, "a": 70, "b": 70, "c": 70, "fact": 100, "how": 2,
    "country": 30, "wrong": 5, "right": 5, "seconds": 10, "errand": 5, "number": 3, "device": 10, "request": 30,
    "n": 3, "city": 1, "sum": 1, "room": 7, "degrees": 7, "percent": 6, "genre": 6,
}  # fmt: skip


@pytest.mark.parametrize("name", ALL)
def test_texts_are_varied(name: str) -> None:
    """Enumerates templates and the values of their slots; what bystanders say is not counted."""
    task = load_subtask(builtin_subtasks()[name])
    for language in task.languages:
        assert count_texts(name, language) >= FEWEST_FORMS, language


def count_texts(name: str, language: str) -> int:
    """Counts the texts that a sub-task has of its own in a language."""
    path = builtin_subtasks()[name]
    source = path.read_text(encoding="utf-8")
    names = set(re.findall(r'texts\("(\w+)"\)', source)) - {*VALUES}
    names.update(table for call, tables in SHARED.items() if call in source for table in tables)
    own = load_subtask(path).screenplay.__globals__
    tables = [load_texts(one) for one in sorted(names)]
    tables += [table for key, table in own.items() if key.isupper() and isinstance(table, dict | list)]
    sizes = {**SLOT_SIZES, "sound": len(load_texts("music"))} if 'texts("music")' in source else SLOT_SIZES
    count = sum(_forms(table, language, sizes) for table in tables)
    if "translate_phrases(" in source:
        parts = load_texts("parallel_phrases")
        count += math.prod(len(parts[part]) for part in PARTS)
    if "watch(" in source:
        sounds = load_proactive()[name.split("/")[1]].sounds.values()
        advice = sum(len(sound.answers(language)) for sound in sounds)
        count += _forms(WARNINGS, language, {"advice": advice})
    return count


def _forms(table: object, language: str, sizes: Mapping[str, int]) -> int:
    if isinstance(table, str):
        return count_forms([table]) * math.prod(sizes[slot] for slot in set(re.findall(r"{(\w+)}", table)))
    if isinstance(table, dict):
        if language in table:
            inner = table[language]
        else:
            inner = [value for key, value in table.items() if key not in {"slots", "values", "en", "zh"}]
        for slot, values in table.get("slots", {}).items() if isinstance(table.get("slots"), dict) else ():
            sizes = {**sizes, slot: len(values)}
        sizes = {**sizes, "value": len(table.get("values", ()))}
        return _forms(inner, language, sizes)
    return sum(_forms(one, language, sizes) for one in table) if isinstance(table, list) else 0


@pytest.mark.parametrize("name", ALL)
def test_promises(name: str, play: Callable[..., list[Timeline]]) -> None:
    task = load_subtask(builtin_subtasks()[name])
    timelines = streams_of(name, play)
    assert len(timelines) >= NUM_STREAMS * len(task.languages) * 0.7
    texts: set[str] = set()
    for timeline in timelines:
        timeline.check()
        for target in project(timeline).spoken:
            for i in target.responses:
                response = timeline.responses[i]
                assert decision_time_s(target, timeline.chunk) * SAMPLE_RATE >= response.due >= response.evidence
        texts.update(response.text for response in timeline.responses)
        for silence in timeline.silences:
            assert silence.reason
            assert 0 <= silence.start < silence.end <= timeline.num_samples
        if not task.background:
            assert not [e for e in timeline.events if e.kind != "noise" and e.role != "foreground"]
        marked = [text for text in _all_texts(timeline) if set("{}[]|") & set(re.sub(r"^\[Speaker \d\] ", "", text))]
        assert not marked, "a template was not filled in"
    assert len(texts) >= 8, "texts are varied"
    assert any(timeline.responses for timeline in timelines)


def _all_texts(timeline: Timeline) -> list[str]:
    return [thing.text for thing in (*timeline.events, *timeline.responses)] + [timeline.instruction]


@pytest.mark.parametrize("name", ALL)
def test_same_stream_from_same_seed(name: str, play: Callable[..., list[Timeline]]) -> None:
    language = load_subtask(builtin_subtasks()[name]).languages[0]
    first = play(name, language)[0]
    corpus = play.corpus_of(name, language)  # type: ignore[attr-defined]
    index = int(first.key.rsplit("-", 1)[1])
    assert corpus.compose(corpus.spec("train", index)) == first


@pytest.mark.parametrize("name", ALL)
def test_something_is_kept_silent_on(name: str, play: Callable[..., list[Timeline]]) -> None:
    assert any(timeline.silences for timeline in streams_of(name, play))


@pytest.mark.parametrize("name", ALL)
def test_only_sounds_that_need_no_answer_get_none(name: str, play: Callable[..., list[Timeline]]) -> None:
    ontology = load_ontology()
    for timeline in streams_of(name, play):
        answered = {i for response in timeline.responses for i in response.events}
        for i, event in enumerate(timeline.events):
            entry = ontology.get(event.label)
            if entry is not None and entry.assistant != "silent":  # what is borderline is never labelled silent either
                assert i in answered, f"{timeline.key}: {event.label} at {event.onset} got no response"


@pytest.mark.parametrize("name", ALL)
def test_a_silence_has_no_response_of_its_own(name: str, play: Callable[..., list[Timeline]]) -> None:
    for timeline in streams_of(name, play):
        for silence in timeline.silences:
            for response in timeline.responses:
                due_here = silence.start < response.due <= silence.end
                assert not (due_here and set(response.events) == set(silence.events)), silence


@pytest.mark.parametrize("name", [name for name in ALL if name.startswith(SPEECH_WORK)])
def test_no_untranscribed_words_behind_a_transcript(name: str, play: Callable[..., list[Timeline]]) -> None:
    for timeline in streams_of(name, play):
        worded = {"speech", "television", "radio_voice", "singing", "whispering", "crowd_murmur"}
        assert not worded & {event.label for event in timeline.events}


@pytest.mark.parametrize("name", ["english_asr", "mandarin_asr", "noisy_asr", "multi_speaker_asr"])
def test_transcripts_are_what_was_said(name: str, play: Callable[..., list[Timeline]]) -> None:
    for timeline in streams_of(f"real_time_asr/{name}", play):
        written: dict[int, list[str]] = {}
        for response in timeline.responses:
            if response.kind == "transcript":
                written.setdefault(response.events[0], []).append(response.text)
        for i, words in written.items():
            words[0] = re.sub(r"^(\[Speaker \d\] |【说话人\d】)", "", words[0])
            assert words == [word.text for word in timeline.events[i].words]


def test_speaker_marks_follow_the_voices(play: Callable[..., list[Timeline]]) -> None:
    for timeline in streams_of("real_time_asr/multi_speaker_asr", play):
        voices: dict[str, str] = {}
        last = ""
        done: set[int] = set()
        for response in timeline.responses:
            event = timeline.events[response.events[0]]
            if response.kind != "transcript" or response.events[0] in done:
                continue
            done.add(response.events[0])
            mark = re.match(r"\[Speaker (\d)\]|【说话人(\d)】", response.text)
            assert bool(mark) == (event.speaker != last)
            if mark:
                assert voices.setdefault(mark.group(1) or mark.group(2), event.speaker) == event.speaker
            last = event.speaker
        assert len(set(voices.values())) == len(voices)


def test_counts_count(play: Callable[..., list[Timeline]]) -> None:
    numbers = ["once", "twice", "three times", "four times", "five times", "six times"]
    for timeline in play("streaming_instruction_following/event_counting", "en"):
        said = [response.text for response in timeline.responses if response.kind == "count"]
        place = 0
        for text in said:
            place = 0 if text == "once" else place + 1
            assert numbers[place] == text


def test_tool_calls_match_their_schemas(play: Callable[..., list[Timeline]]) -> None:
    tools = load_texts("smart_home")["tools"]
    calls = [
        r.call for t in streams_of("environment_aware_agent/smart_home_control", play) for r in t.responses if r.call
    ]
    assert len(calls) >= 8
    for call in calls:
        schema = tools[call.name]
        assert set(call.arguments) == set(schema)
        for key, kind in schema.items():
            value = call.arguments[key]
            assert value in kind if isinstance(kind, list) else isinstance(value, {"string": str, "integer": int}[kind])


def test_delegated_results_come_when_they_are_there(play: Callable[..., list[Timeline]]) -> None:
    results = 0
    for timeline in streams_of("environment_aware_agent/delegated_task", play):
        issued = {r.call.arguments["id"]: r for r in timeline.responses if r.call and r.call.name == "delegate"}
        cancelled = {r.call.arguments["id"] for r in timeline.responses if r.call and r.call.name == "cancel"}
        for response in timeline.responses:
            if response.call and response.call.name == "result":
                results += 1
                task = response.call.arguments["id"]
                assert task not in cancelled
                assert round(response.call.arguments["issued_s"] * SAMPLE_RATE) == issued[task].evidence
                assert round(response.call.arguments["returned_s"] * SAMPLE_RATE) == response.due
    assert results


def test_history_lies_three_rounds_back(play: Callable[..., list[Timeline]]) -> None:
    recalled = 0
    for timeline in streams_of("environment_aware_agent/history_review", play):
        kinds = [response.kind for response in timeline.responses]
        if "recall" in kinds:
            recalled += 1
            assert kinds.index("recall") >= 4
    assert recalled


def test_written_tables_hold_true_pairs() -> None:
    for entry in load_texts("parallel_sentences"):
        for language in ("en", "zh"):
            assert set(re.findall(r"{(\w+)}", entry[language])) == set(entry["slots"])
        assert all(len(pair) == 2 for pairs in entry["slots"].values() for pair in pairs)
    for dialogues in load_texts("dialogues").values():
        for dialogue in dialogues:
            text = json.dumps(dialogue["turns"])
            assert set(re.findall(r"{(\w+)}", text)) == set(dialogue["slots"])
    for memories in (table["memories"] for table in load_texts("memories").values()):
        assert all(
            "{value}" in line for memory in memories for part in ("tell", "correct", "answer") for line in memory[part]
        )


ONCE = """
from soundflow_data import Scene, subtask
from soundflow_data.errors import Drop

@subtask(ability="voice_chatting")
def once(scene: Scene) -> None:
    if scene.episode:
        raise Drop("no sound fits", "everything was promised")
    scene.respond("hello", evidence=scene.say("hello there").end)
"""


@pytest.mark.parametrize(
    "source",
    [
        ONCE,
        ONCE.replace("raise Drop", "assert not Drop").replace(
            'hello there").end)', 'hello there").end)\n    scene.finish()'
        ),
    ],
)
def test_a_first_episode_may_be_the_last(source: str, rich_bank: Bank, tmp_path: Path) -> None:
    """Either the material is used up, or the episode says that none may follow."""
    (tmp_path / "once.py").write_text(source)
    recipe = {
        "name": "once",
        "streams": 2,
        "duration_s": [20, 30],
        "splits": {"train": 1.0},
        "subtasks": {"once.py": 1.0},
        "banks": {"sounds": {"path": str(rich_bank.path)}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    corpus = Corpus(load_recipe(tmp_path / "recipe.yaml"), {"sounds": rich_bank})
    assert [response.text for response in corpus.compose(corpus.spec("train", 0)).responses] == ["hello"]


# -- several sub-tasks in one stream -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def library(play: Callable[..., list[Timeline]]) -> Library:
    return play.corpus_of(ALL[0], "en").library("train")  # type: ignore[attr-defined]


def play_in_turn(library: Library, names: list[str], seed: int) -> tuple[Scene, list[str], list[frozenset[str]]]:
    """Writes episodes of several sub-tasks into one stream; returns it, those that fitted, and what each barred."""
    scene = Scene(
        library=library, dice=Dice(seed, *names), language="en", chunk=6400, level_db=-26.0, limit=300 * SAMPLE_RATE
    )
    scene.mixed = True
    played, barred = [], []
    for name in names:
        mark = scene.mark()
        scene.pause(0.5, 2.0)
        scene.begin_part()
        try:
            load_subtask(builtin_subtasks()[name]).screenplay(scene)
        except Drop:
            scene.rewind(mark)
            continue
        scene.end_part(ability=name.split("/")[0], subtask=name.split("/")[1])
        scene.episode += 1
        played.append(name)
        barred.append(scene.mark().promised)
        if scene.finished:
            break
    return scene, played, barred


@pytest.mark.parametrize("name", [name for name in ALL if "en" in load_subtask(builtin_subtasks()[name]).languages])
def test_any_other_may_follow(name: str, library: Library) -> None:
    """What an episode begins ends in it, or what would call it up again does not happen any more."""
    task = load_subtask(builtin_subtasks()[name])
    others = [one for one in ALL if one not in (name, "real_time_asr/mandarin_asr")]
    start = ALL.index(name)
    for seed in range(2):
        after = [others[(start + 5 * seed + 7 * k) % len(others)] for k in range(3)]
        after = sorted(after, key=lambda one: load_subtask(builtin_subtasks()[one]).last)
        scene, played, barred = play_in_turn(library, [*after[:2], name] if task.last else [name, *after], seed)
        assert len(played) >= 2
        assert not scene.instruction or any("smart_home" in one for one in played), "no written work in a mixed stream"
        assert scene.finished <= load_subtask(builtin_subtasks()[played[-1]]).last
        for part, later in zip(scene.parts, scene.parts[1:], strict=False):
            due = [response.due for response in scene.responses if part.start <= response.evidence <= part.end]
            assert max(due, default=0) <= later.start, f"{part.subtask} is still pending when {later.subtask} begins"
        for part, labels in zip(scene.parts, barred, strict=True):
            heard = {event.label for event in scene.events if event.label and event.onset >= part.end}
            assert not heard & library.alike(labels), f"{part.subtask} would have to answer it"
        answered = {i for response in scene.responses for i in response.events}
        kept = {i for silence in scene.silences for i in silence.events}
        for i, event in enumerate(scene.events):
            entry = library.ontology.get(event.label)
            assert i in answered or entry is None or entry.assistant == "silent"
            if event.kind == "speech" and event.track in ("user", "visitor"):
                assert i in answered | kept, f"{event.text!r} is neither answered nor kept silent on"


def test_translation_without_voices_of_both_languages_is_said_at_plan(rich_bank: Bank, tmp_path: Path) -> None:
    recipe = {
        "name": "one-language",
        "streams": 2,
        "splits": {"train": 1.0},
        "subtasks": {"streaming_translation/en_zh_sentence": 1.0},
        "voices": {"ids": ["en-ada", "en-ben"]},
        "banks": {"sounds": {"path": str(rich_bank.path)}},
    }
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    plan = make_plan(Corpus(load_recipe(tmp_path / "recipe.yaml"), {"sounds": rich_bank}), max_composed=2)
    assert "streaming_translation/en_zh_sentence in 'en' needs mandarin_speech" in plan.problems[0]


# -- golden timelines ----------------------------------------------------------------------------------------------


def fingerprint(timeline: Timeline) -> str:
    """Hash of what is heard and said, and when; levels are left out, so that rounding elsewhere does not matter."""
    story = [
        [[e.track, e.kind, e.label, e.text, e.onset, e.num_samples] for e in timeline.events],
        [[r.text, r.evidence, r.due, r.kind, r.call.name if r.call else ""] for r in timeline.responses],
        [[s.start, s.end, s.reason] for s in timeline.silences],
    ]
    return hashlib.sha256(json.dumps(story, ensure_ascii=False).encode()).hexdigest()[:16]


def test_golden_timelines(play: Callable[..., list[Timeline]]) -> None:
    """To accept a change on purpose: `SOUNDFLOW_WRITE_GOLDEN=1 python -m pytest tests/test_subtasks.py -k golden`."""
    found = {}
    for name in ALL:
        for language in load_subtask(builtin_subtasks()[name]).languages:
            corpus = play.corpus_of(name, language)  # type: ignore[attr-defined]
            streams = (timeline for i in range(NUM_STREAMS) for timeline in _compose(corpus, i))
            found[f"{name} {language}"] = fingerprint(next(streams))
    if os.environ.get("SOUNDFLOW_WRITE_GOLDEN"):
        GOLDEN.parent.mkdir(exist_ok=True)
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    assert found == json.loads(GOLDEN.read_text())


# -- files of one's own --------------------------------------------------------------------------------------------


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(text)
    return path


GOOD = """
from soundflow_data import subtask

@subtask(ability="voice_chatting")
def mine(scene):
    scene.respond("hello", evidence=0)
"""


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    task = load_subtask(find_subtask(write(tmp_path, GOOD).name, base=tmp_path))
    assert task.id == "voice_chatting/mine"
    assert len(task.fingerprint) == 64


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "holds 0 functions"),
        (GOOD + GOOD.replace("def mine", "def other"), r"holds 2 functions with @subtask \(mine, other\)"),
        ("1 / 0", "cannot be run: ZeroDivisionError"),
        ("def", "cannot be run: SyntaxError"),
        (GOOD.replace("voice_chatting", "chat"), "ability 'chat' does not exist; it must be one of voice_chatting"),
    ],
)
def test_broken_files_are_explained(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SubtaskError, match=message):
        load_subtask(write(tmp_path, text))
