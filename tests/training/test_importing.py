"""`python -m training import`, run through the real command line on a data folder of its own."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import training.__main__
from training.dataset import WELLNESS_COLUMNS, WellnessData, wellness_data
from training.importing import DataFolder
from training.rasa_data import Crisis, write_rasa_data

ROOT = Path(__file__).parents[2]
CHATBOT_DATA = ROOT.parent / "shared" / "data" / "chatbot_data.csv"
OPEN_QUESTIONS = ["조금 더 들려주실래요?", "어떤 일이 있었나요?"]
OPEN_DATASET = f"""\
구분,유저,챗봇
모호함,뭐라고 해야 할지 모르겠어요,{OPEN_QUESTIONS[0]}
모호함,그냥 좀 그래요,{OPEN_QUESTIONS[1]}
감정/외로움,혼자인 것 같아요,많이 외로우셨군요.
"""
TALK = """\
구분,유저,챗봇,
감정/걱정,자꾸 걱정이 돼요,걱정이 많으시군요.,
감정/걱정,걱정이 끊이질 않아,무엇이 가장 걱정되세요?,
감정/걱정/건강염려,몸이 아플까 봐 걱정돼요,건강이 걱정되시는군요.,
감정/걱정/미래,앞날이 캄캄해요,,
배경/이사,이사한 뒤로 적응이 안 돼요,,
감정/자살충동,죽고 싶어요,힘내세요!,
"""
CHAT = """\
Q,A,label
심심해,놀아 드릴까요?,0
심심해,놀아 드릴까요?,0
심심해,저도 그래요.,0
답이 없는 말,,1
"""


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> DataFolder:
    """A data folder with the project's crisis files and ordinary intents and a small open dataset, for the command."""
    folder = DataFolder(tmp_path / "data")
    folder.root.mkdir()
    for name in ("crisis.yml", "crisis_lexicon.yml", "intents.yml", "parent_answers.csv"):
        shutil.copy(ROOT / "data" / name, folder.root)
    shutil.copy(ROOT / "config.yml", folder.config)
    folder.open_dataset.write_text(OPEN_DATASET, encoding="utf-8")
    monkeypatch.setattr(training.__main__, "DATA", folder)
    return folder


def test_messages_with_a_risk_are_examples_of_the_crisis_intent_but_for_those_of_a_category(data: DataFolder) -> None:
    lines = "utterance,kind,note\n그만 살고 싶어요,thinking,\n혼자인 것 같아요,thinking,\n배고파 죽겠다,none,\n"
    data.crisis_utterances.write_text(lines, encoding="utf-8")
    assert run().exit_code == 0
    nlu = yaml.safe_load((data.generated / "nlu.yml").read_text(encoding="utf-8"))["nlu"]
    assert [entry["examples"] for entry in nlu if entry["intent"] == "crisis"] == ["- 그만 살고 싶어요\n"]


def run(*files: Path) -> Result:
    return CliRunner().invoke(training.__main__.app, ["import", *map(str, files)])


def imported(data: DataFolder, *contents: str) -> Result:
    """What the command says to files with these contents, which it must take."""
    files = [data.root.parent / f"talk{number}.csv" for number in range(len(contents))]
    for file, content in zip(files, contents):
        file.write_text(content, encoding="utf-8")
    result = run(*files)
    assert (result.exit_code, result.stderr) == (0, "")
    return result


def counted(result: Result) -> dict[str, str]:
    """The figures the command printed."""
    lines = (line.split(":", 1) for line in result.stdout.splitlines() if line.startswith(" "))
    return {name.strip(): count.strip() for name, count in lines}


def rows(data: DataFolder, name: str) -> list[list[str]]:
    with (data.generated / name).open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def examples(data: DataFolder) -> dict[str, list[str]]:
    nlu = yaml.safe_load((data.generated / "nlu.yml").read_text(encoding="utf-8"))["nlu"]
    return {item["intent"]: [line.removeprefix("- ") for line in item["examples"].splitlines()] for item in nlu}


def responses(data: DataFolder) -> dict[str, list[str]]:
    content: dict[str, Any] = yaml.safe_load((data.generated / "responses.yml").read_text(encoding="utf-8"))
    return {name: [variation["text"] for variation in texts] for name, texts in content["responses"].items()}


def test_a_hotline_that_an_answer_names_can_be_called_by_a_button(data: DataFolder) -> None:
    imported(data, "구분,유저,챗봇\n배경/남편/폭력,남편이 때려요,위험하면 112 쉼터는 1366이에요. 1120일은 없지요.\n")
    content = yaml.safe_load((data.generated / "responses.yml").read_text(encoding="utf-8"))
    buttons = content["responses"]["utter_wellness/배경.남편.폭력"][0]["buttons"]
    assert [(button["title"], button["type"], button["url"]) for button in buttons] == [
        ("경찰 112", "phone", "tel:112"),
        ("여성긴급전화 1366", "phone", "tel:1366"),
    ]
    assert [button["payload"] for button in buttons] == ["112에 전화해 볼게요", "1366에 전화해 볼게요"]


def everything_in(data: DataFolder) -> dict[Path, bytes | None]:
    return {path: path.read_bytes() if path.is_file() else None for path in data.root.rglob("*")}


def test_categories_become_response_keys_with_their_utterances(data: DataFolder) -> None:
    imported(data, TALK)
    assert examples(data) == {
        "wellness/감정.걱정": ["자꾸 걱정이 돼요", "걱정이 끊이질 않아"],
        "wellness/감정.걱정.건강염려": ["몸이 아플까 봐 걱정돼요"],
        "wellness/감정.걱정.미래": ["앞날이 캄캄해요"],
        "wellness/배경.이사": ["이사한 뒤로 적응이 안 돼요"],
        "wellness/감정.자살충동": ["죽고 싶어요"],
    }


def test_a_full_stop_in_a_categorys_name_puts_it_below_no_other(data: DataFolder) -> None:
    imported(data, "구분,유저,챗봇\n1.1 불안,불안해요,무엇이 불안하세요?\n1.1 불안,초조해,곁에 있을게요.\n2.0,화가 나요,\n")
    assert set(examples(data)) == {"wellness/1·1 불안", "wellness/2·0"}
    assert set(responses(data)) >= {"utter_wellness/1·1 불안", "utter_wellness/2·0"}
    assert "utter_wellness/1" not in responses(data)


def test_what_a_category_lacks_is_borrowed_from_above_it_and_then_from_the_open_questions(data: DataFolder) -> None:
    imported(data, TALK)
    worries = ["걱정이 많으시군요.", "무엇이 가장 걱정되세요?"]
    written = responses(data)
    assert written["utter_wellness/감정.걱정"] == worries
    assert written["utter_wellness/감정.걱정.건강염려"] == ["건강이 걱정되시는군요.", *worries]
    assert written["utter_wellness/감정.걱정.미래"] == worries
    assert written["utter_wellness/배경.이사"] == written["utter_wellness/배경"]


def test_a_category_above_others_has_answers_though_nobody_says_only_that(data: DataFolder) -> None:
    imported(
        data,
        "구분,유저,챗봇\n감정/화,화가 나요,많이 화나셨군요.\n감정/화,화나,화날 만해요.\n낯선/곳,낯설어요,\n낯선/때,어색해,\n",
    )
    written = responses(data)
    assert all("마음" in text for text in written["utter_wellness/감정"])
    assert written["utter_wellness/낯선"] == OPEN_QUESTIONS


def test_a_category_above_a_single_one_answers_as_that_does(data: DataFolder) -> None:
    imported(
        data,
        "구분,유저,챗봇\n취미/낚시,낚시 가요,낚시를 좋아하시는군요.\n취미/낚시,낚시,어디로 가세요?\n감정/화,화나,화나셨군요.\n",
    )
    assert responses(data)["utter_wellness/취미"] == ["낚시를 좋아하시는군요.", "어디로 가세요?"]


def test_the_imported_open_questions_come_before_the_datasets_own(data: DataFolder) -> None:
    imported(
        data, "구분,유저,챗봇\n모호함,음,무슨 일 있으세요?\n모호함,저기,더 말해 주세요.\n화,화가 나요,\n화,화나,힘드시죠.\n"
    )
    assert responses(data)["utter_wellness/화"] == ["힘드시죠.", "무슨 일 있으세요?", "더 말해 주세요."]


def test_every_answer_offered_has_a_second_one(data: DataFolder) -> None:
    imported(data, TALK)
    assert all(len(set(texts)) >= 2 for name, texts in responses(data).items() if name.startswith("utter_wellness/"))


def test_a_crisis_is_answered_with_its_fixed_replies_and_never_with_imported_ones(data: DataFolder) -> None:
    replies = yaml.safe_load(data.crisis.read_text(encoding="utf-8"))["replies"]
    lines = [f"{category},사람 말 {number},힘내세요!" for number, category in enumerate(replies)]
    imported(data, "\n".join(["구분,유저,챗봇", *lines]))
    written = responses(data)
    for category in replies:
        texts = written[f"utter_wellness/{category.replace('/', '.')}"]
        assert len(texts) == len(replies[category])
        assert all(any(number in text for number in ("109", "112", "1577-0199")) and "{" not in text for text in texts)
    assert {"utter_notice", "utter_help", "utter_still_unsure"} < set(written)
    assert not any("힘내세요!" in answer for _, answer in rows(data, "question_answer.csv"))
    assert len(rows(data, "question_answer.csv")) == 1 + sum(map(len, replies.values()))


def test_the_words_of_the_crisis_protocol_are_written_with_their_numbers_buttons_and_kinds(data: DataFolder) -> None:
    imported(data, TALK)
    content = yaml.safe_load((data.generated / "responses.yml").read_text(encoding="utf-8"))["responses"]
    first = content["utter_crisis_thinking"][0]
    assert "자살예방 상담전화 109(24시간)" in first["text"]
    assert [button["title"] for button in first["buttons"]] == [
        "네, 안전해요", "아니요, 안전하지 않아요", "더 이야기하고 싶어요", "자살예방 상담전화 109", "청소년전화 1388"
    ]  # fmt: skip
    assert first["buttons"][-1] == {
        "title": "청소년전화 1388", "type": "phone", "url": "tel:1388", "payload": "1388에 전화해 볼게요"
    }  # fmt: skip
    kinds = [response.get("condition", [{"value": None}])[0]["value"] for response in content["utter_crisis_not_safe"]]
    assert set(kinds) == {None, "acted", "other_person", "harm_others"}
    assert not any("{" in response["text"] for name in content if "crisis" in name for response in content[name])


def test_a_crisis_category_lends_its_fixed_replies_and_not_imported_ones(data: DataFolder) -> None:
    imported(data, "구분,유저,챗봇\n감정/자살충동,죽고 싶어요,힘내세요!\n감정/자살충동/반복,자꾸 죽고 싶어요,\n")
    written = responses(data)
    assert written["utter_wellness/감정.자살충동.반복"] == written["utter_wellness/감정.자살충동"]


RISKY = """\
구분,유저,챗봇
위기/자살생각,다 놓아 버리고 싶어요,힘내세요!
위기/마음,죽고 싶다는 생각뿐이에요,힘내세요!
위기/마음,밤이 길어요,힘내세요!
감정/자살충동,죽고 싶어요,
배경/이사,이사했어요,
"""


def risks(result: Result) -> list[str]:
    return [line for line in result.stdout.splitlines() if line.startswith("risk to a life")]


def test_a_category_that_tells_of_a_risk_and_is_no_crisis_category_is_named_with_what_to_do(data: DataFolder) -> None:
    assert risks(imported(data, RISKY)) == [
        f"risk to a life: 위기/{name} (told of by {what}); unless its writers are safe, name it in `replies` of"
        f" data/crisis.yml and, as wellness/위기.{name}, in `kinds_of_intents` of config.yml: without both it is answered or"
        " learned as harmless"
        for name, what in (("자살생각", "its name"), ("마음", "1 of 2 utterances"))
    ]


def test_a_risky_category_is_named_until_it_is_a_crisis_category_everywhere(data: DataFolder) -> None:
    crisis = yaml.safe_load(data.crisis.read_text(encoding="utf-8"))
    crisis["replies"]["위기"] = crisis["replies"]["감정/자살충동"]
    data.crisis.write_text(yaml.safe_dump(crisis, allow_unicode=True, sort_keys=False), encoding="utf-8")
    assert len(risks(imported(data, RISKY))) == 2
    config = data.config.read_text(encoding="utf-8")
    data.config.write_text(
        config.replace("kinds_of_intents:", "kinds_of_intents:\n      wellness/위기: thinking"), encoding="utf-8"
    )
    assert risks(imported(data, RISKY)) == []


def test_of_the_open_dataset_none_but_the_crisis_categories_tells_of_a_risk(data: DataFolder) -> None:
    shutil.copy(ROOT / "data" / "wellness.csv", data.open_dataset)
    data.config.write_text("pipeline: []\n", encoding="utf-8")
    crisis = yaml.safe_load(data.crisis.read_text(encoding="utf-8"))
    by_utterances = [line.split()[4] for line in risks(run()) if "utterances" in line]
    assert sorted(by_utterances) == sorted(crisis["replies"])


@pytest.mark.parametrize("name", ["config.yml", "data/crisis_lexicon.yml"])
def test_a_file_that_tells_what_a_crisis_is_and_is_broken_is_told_in_one_sentence(data: DataFolder, name: str) -> None:
    (data.root.parent / name).write_text("pipeline: [\n", encoding="utf-8")
    result = run()
    assert (result.exit_code, result.stdout, len(result.stderr.splitlines())) == (2, "", 1)
    assert name in result.stderr
    assert not data.generated.exists()


def test_categories_are_numbered_in_order_and_questions_carry_the_numbers(data: DataFolder) -> None:
    imported(data, TALK + "감정/가벼움,,대답만 있어요.,\n")
    names = ["감정/가벼움", "감정/걱정", "감정/걱정/건강염려", "감정/걱정/미래", "감정/자살충동", "배경/이사"]
    assert rows(data, "categories.csv") == [["number", "category"], *([str(at), name] for at, name in enumerate(names))]
    assert rows(data, "question_category.csv") == [
        ["question", "category", "number"],
        ["자꾸 걱정이 돼요", "감정/걱정", "1"],
        ["걱정이 끊이질 않아", "감정/걱정", "1"],
        ["몸이 아플까 봐 걱정돼요", "감정/걱정/건강염려", "2"],
        ["앞날이 캄캄해요", "감정/걱정/미래", "3"],
        ["죽고 싶어요", "감정/자살충동", "4"],
        ["이사한 뒤로 적응이 안 돼요", "배경/이사", "5"],
    ]


def test_each_question_is_paired_with_each_answer_of_its_own_category(data: DataFolder) -> None:
    imported(data, TALK, CHAT)
    crisis = responses(data)["utter_wellness/감정.자살충동"]
    assert rows(data, "question_answer.csv") == [
        ["question", "answer"],
        ["자꾸 걱정이 돼요", "걱정이 많으시군요."],
        ["자꾸 걱정이 돼요", "무엇이 가장 걱정되세요?"],
        ["걱정이 끊이질 않아", "걱정이 많으시군요."],
        ["걱정이 끊이질 않아", "무엇이 가장 걱정되세요?"],
        ["몸이 아플까 봐 걱정돼요", "건강이 걱정되시는군요."],
        *(["죽고 싶어요", reply] for reply in crisis),
        ["심심해", "놀아 드릴까요?"],
        ["심심해", "저도 그래요."],
    ]


def test_duplicates_are_kept_once_and_conflicts_where_they_stand_most_often_or_first(data: DataFolder) -> None:
    lines = ["화,답답해요,1", "걱정,답답해요,2", "걱정,답답해요,3", "화,몰라요,1", "걱정,몰라요,2", "화,화나,1", "화,화나,1"]
    result = imported(data, "\n".join(["구분,유저,챗봇", *lines]))
    assert examples(data) == {"wellness/걱정": ["답답해요"], "wellness/화": ["몰라요", "화나"]}
    assert (counted(result)["duplicates"], counted(result)["conflicts"]) == ("2", "2")
    assert "conflict: '답답해요' stands in 걱정, 화" in result.stdout


def test_the_figures_are_those_of_the_file(data: DataFolder) -> None:
    assert counted(imported(data, TALK + ",이름 없는 말,이름 없는 답,\n / ,또,,\n감정/걱정,안녕하세요,,\n", CHAT)) == {
        "categories": "5",
        "utterances": "6",
        "answers": "4",
        "duplicates": "0",
        "conflicts": "0",
        "categories without an answer": "2",
        "rows without a category": "2",
        "utterances left to ordinary intents": "1",
        "Chatbot_data pairs": "2",
        "question-answer pairs": "9",
    }


def test_a_greeting_stays_a_greeting(data: DataFolder) -> None:
    imported(data, TALK + "감정/걱정,안녕하세요,,\n감정/반가움,반갑습니다,,\n")
    assert "안녕하세요" not in examples(data)["wellness/감정.걱정"]
    assert "wellness/감정.반가움" not in examples(data)


def test_stray_spaces_and_slashes_make_no_new_category(data: DataFolder) -> None:
    imported(data, "구분,유저,챗봇\n감정/화,화나,1\n 감정 / 화/,짜증 나,2\n/감정//화,열 받아,3\n")
    assert examples(data) == {"wellness/감정.화": ["화나", "짜증 나", "열 받아"]}


def test_a_workbook_and_old_windows_text_give_the_same_data(data: DataFolder, tmp_path: Path) -> None:
    imported(data, TALK)
    expected = {file.name: file.read_bytes() for file in data.generated.iterdir()}
    book = openpyxl.Workbook()
    for row in csv.reader(TALK.splitlines()):
        book.worksheets[0].append(row)
    book.save(tmp_path / "talk.xlsx")
    (tmp_path / "cp949.csv").write_text(TALK, encoding="cp949")
    for name in ("talk.xlsx", "cp949.csv"):
        assert run(tmp_path / name).exit_code == 0
        assert {file.name: file.read_bytes() for file in data.generated.iterdir()} == expected


def test_several_files_are_taken_together(data: DataFolder) -> None:
    imported(data, "구분,유저,챗봇\n화,화나,1\n", "챗봇,구분,유저\n2,화,짜증 나\n")
    assert examples(data) == {"wellness/화": ["화나", "짜증 나"]}


def test_chatbot_data_alone_leaves_the_wellness_data_in_use(data: DataFolder) -> None:
    result = imported(data, CHAT)
    assert set(examples(data)) == {"wellness/모호함", "wellness/감정.외로움"}
    assert ["심심해", "놀아 드릴까요?"] in rows(data, "question_answer.csv")
    assert f"Wellness data: {data.open_dataset}" in result.stdout

    imported(data, TALK)
    imported(data, CHAT.replace("심심해", "배고파"))
    assert "wellness/감정.걱정" in examples(data)
    questions = {question for question, _ in rows(data, "question_answer.csv")}
    assert "배고파" in questions
    assert "심심해" not in questions


def test_the_real_chatbot_data_is_taken(data: DataFolder) -> None:
    if not CHATBOT_DATA.exists():
        pytest.skip("there is no copy of Chatbot_data")
    result = run(CHATBOT_DATA)
    assert result.exit_code == 0
    assert counted(result)["Chatbot_data pairs"] == "11,750"
    assert ["12시 땡!", "하루가 또 가네요."] in rows(data, "question_answer.csv")


def test_without_files_the_open_dataset_is_made_into_training_data_once(data: DataFolder) -> None:
    assert "Wellness data" in run().stdout
    times = {file: file.stat().st_mtime_ns for file in data.root.rglob("*")}
    again = run()
    assert (again.exit_code, again.output) == (0, "")
    assert {file: file.stat().st_mtime_ns for file in data.root.rglob("*")} == times


def test_a_changed_source_is_made_into_training_data_anew(data: DataFolder) -> None:
    run()
    with data.open_dataset.open("a", encoding="utf-8") as stream:
        stream.write("감정/화,화가 나요,\n")
    assert run().exit_code == 0
    assert examples(data)["wellness/감정.화"] == ["화가 나요"]


def test_the_same_file_imported_again_gives_nothing_to_train_anew(data: DataFolder) -> None:
    first = imported(data, TALK)
    before = everything_in(data)
    times = {file.name: file.stat().st_mtime_ns for file in data.generated.iterdir()}
    assert imported(data, TALK).output == first.output
    assert everything_in(data) == before
    assert {file.name: file.stat().st_mtime_ns for file in data.generated.iterdir()} == times
    assert run().output == ""


def test_only_the_data_stays_behind(data: DataFolder) -> None:
    imported(data, TALK, CHAT)
    assert {str(path.relative_to(data.root)) for path in data.root.rglob("*") if path.is_file()} == {
        "crisis.yml", "crisis_lexicon.yml", "intents.yml", "parent_answers.csv", "wellness.csv",
        "imported/wellness.csv", "imported/chatbot.csv",
        "generated/nlu.yml", "generated/responses.yml", "generated/categories.csv", "generated/question_category.csv",
        "generated/question_answer.csv", "generated/fingerprint",
    }  # fmt: skip


REFUSED = {
    "missing column": "구분,유저\n화,화가 나요\n".encode(),
    "empty": b"",
    "header only": "구분,유저,챗봇\n".encode(),
    "no utterance": "구분,유저,챗봇\n화,,그래요\n,화가 나요,그래요\n".encode(),
    "greetings only": "구분,유저,챗봇\n인사,안녕하세요,반가워요\n".encode(),
    "no pair": "Q,A,label\n심심해,,0\n,그래요,0\n".encode(),
    "PNG": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR",
    "JSON": '[{"구분": "화", "유저": "화가 나요", "챗봇": "그래요"}]'.encode(),
    "broken workbook": b"PK\x03\x04\x14\0\0\0 and then nothing",
}


@pytest.mark.parametrize("name", [*REFUSED, "folder", "missing"])
def test_a_file_that_cannot_be_used_is_told_in_one_sentence_and_changes_nothing(data: DataFolder, name: str) -> None:
    imported(data, TALK, CHAT)
    before = everything_in(data)
    bad, good = data.root.parent / "bad.csv", data.root.parent / "good.csv"
    good.write_text("Q,A,label\n다른 말,다른 답,0\n", encoding="utf-8")
    if name in REFUSED:
        bad.write_bytes(REFUSED[name])
    elif name == "folder":
        bad.mkdir()
    for files in ([bad], [good, bad]) if name != "no pair" else ([bad],):
        result = run(*files)
        assert (result.exit_code, result.stdout) == (2, "")
        assert len(result.stderr.splitlines()) == 1
        assert result.stderr.endswith(".\n")
        assert "bad.csv" in result.stderr or name == "greetings only"
        assert everything_in(data) == before


def test_an_open_dataset_of_ones_own_without_open_questions_is_told_in_one_sentence(data: DataFolder) -> None:
    data.open_dataset.write_text("구분,유저,챗봇\n감정/화,화가 나요,화나셨군요.\n모호함,음,\n", encoding="utf-8")
    before = everything_in(data)
    result = run()
    assert (result.exit_code, result.stdout, everything_in(data)) == (2, "", before)
    assert result.stderr.startswith(f"{data.open_dataset}: no row of the category 모호함 has a 챗봇; ")
    assert len(result.stderr.splitlines()) == 1


ODD = [
    "[슬픔](emotion)이 커요", '[슬픔]{"entity": "x"}', "[슬픔][기쁨]", '[슬픔][{"entity": "x"}]', "😭😭 힘들어 👨‍👩‍👧",
    "- 줄표", "-", "# 샵", "#해시 태그", "'작은' \"큰\" 따옴표", "시간: 3시", "key: value", "| 세로", "> 화살",
    "*별 &앤 !느낌 %퍼 @골 `백", "{이름}", "off", "null", "1.0", "${HOME}", "값이 ${NO_SUCH_THING}이래", "\\n \\u1234",
    "/restart", "<script>", "ㅠㅠㅠㅠ", "\u200b보이지 않는\ufeff 것",
]  # fmt: skip


def test_rasa_reads_odd_utterances_and_answers_as_plain_text(data: DataFolder, tmp_path: Path) -> None:
    from rasa.shared.importers.rasa import RasaFileImporter

    with (tmp_path / "odd.csv").open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows(
            [WELLNESS_COLUMNS, *(("감정/화: '큰' #1", text, text) for text in ODD), ("null", "음", "네")]
        )
    assert run(tmp_path / "odd.csv").exit_code == 0
    importer = RasaFileImporter(
        domain_path=str(data.generated / "responses.yml"), training_data_paths=[str(data.generated / "nlu.yml")]
    )
    nlu = importer.get_nlu_data()
    assert [message.get("text").replace("] ", "]") for message in nlu.training_examples] == [*ODD, "음"]
    assert nlu.retrieval_intents == {"wellness"}
    assert nlu.entity_examples == []
    written = importer.get_domain().responses
    assert [variation["text"] for variation in written["utter_wellness/감정.화: '큰' #1"]] == ODD
    assert [variation["text"] for variation in written["utter_wellness/null"]] == ["네", *OPEN_QUESTIONS]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("generated")


@settings(max_examples=30, deadline=None)
@given(
    st.text(st.sampled_from("[](){}:\"'#-${} \\가a😭") | st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]))
)
def test_rasa_reads_any_utterance_as_plain_text(folder: Path, text: str) -> None:
    from rasa.shared.nlu.training_data.loading import load_data

    text = " ".join(text.split()) or "음"
    data = WellnessData({"감정/화": [text]}, {})
    write_rasa_data(folder, data, Crisis({}, {}), {"감정/화": [text]})
    (message,) = load_data(str(folder / "nlu.yml")).training_examples
    assert message.get("text").replace(" ", "") == text.replace(" ", "")
    assert message.get("entities") in (None, [])
    assert load_data(str(folder / "responses.yml")).responses["utter_wellness/감정.화"] == [{"text": text}]


CELLS = st.sampled_from(["", " ", "/", "화", "감정/화", " 감정 / 화/", "걱정", "감정/걱정"]) | st.text()


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(WELLNESS_COLUMNS, CELLS)), max_size=12))
def test_any_rows_give_every_utterance_exactly_one_category(rows: list[dict[str, str]]) -> None:
    data = wellness_data(rows)
    kept = [utterance for utterances in data.utterances.values() for utterance in utterances]
    with_category = [row for row in rows if row["구분"].replace("/", " ").strip()]
    assert Counter(kept) == Counter({row["유저"] for row in with_category if row["유저"]})
    assert data.rows_without_category == len(rows) - len(with_category)
    assert len(kept) + data.duplicates.total() == sum(bool(row["유저"]) for row in with_category) - sum(
        len(categories) - 1 for categories in data.conflicts.values()
    )
    assert all(texts and len(set(texts)) == len(texts) for texts in data.answers.values())


@given(st.lists(st.fixed_dictionaries(dict.fromkeys(WELLNESS_COLUMNS, CELLS)), max_size=12))
def test_consistent_data_is_made_no_different_again(rows: list[dict[str, str]]) -> None:
    data = wellness_data(rows)
    assert wellness_data(data.rows()) == WellnessData(data.utterances, data.answers)
