"""Writing a dataset as what `rasa train`, the generator's fine-tuning and the curious read."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import Formatter
from typing import Any

import yaml

from bot.safety.hotlines import Hotline, hotlines, named_in
from components.categories import response_key
from components.crisis_examples import CRISIS
from training.dataset import WellnessData, stands_below

RETRIEVAL_INTENT = "wellness"
# Every wellness category has at least so many answers, so that none need be given twice running.
MIN_ANSWERS = 2
# What `write_rasa_data` and `write_pairs` write.
FILES = ("nlu.yml", "responses.yml", "categories.csv", "question_category.csv", "question_answer.csv")
# The category whose answers, open questions, fit whatever was said.
OPEN_CATEGORY = "모호함"
# The kind under which `data/crisis.yml` has the texts for every kind of crisis that has none of its own.
ANY_KIND = "otherwise"


@dataclass(frozen=True)
class Crisis:
    """The replies and responses of `data/crisis.yml`, with the telephone numbers in their places.

    `replies` are texts by category, `responses` Rasa's responses by name, `hotlines` those that an answer may name.
    """

    replies: dict[str, list[str]]
    responses: dict[str, list[dict[str, Any]]]
    hotlines: tuple[Hotline, ...] = ()
    call_payload: str = ""

    @classmethod
    def load(cls, file: Path) -> Crisis:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        numbers = {hotline.key: hotline for hotline in hotlines(file)}
        replies = {category: [text.format(**numbers) for text in texts] for category, texts in content["replies"].items()}
        responses = {
            name: [{"text": text.format(**numbers)} for text in texts] for name, texts in content["bot_responses"].items()
        }
        for name, reply in content["protocol"].items():
            answers = [{"title": answer, "payload": answer} for answer in reply["buttons"]]
            groups = reply["texts"] if isinstance(reply["texts"], dict) else {ANY_KIND: reply["texts"]}
            responses[f"utter_crisis_{name}"] = [
                _crisis_response(text, kind, answers, numbers, content["call_payload"])
                for kind, texts in groups.items()
                for text in texts
            ]
        return cls(replies, responses, tuple(numbers.values()), content["call_payload"])

    def answer(self, text: str) -> dict[str, Any]:
        """A category's answer as a response of Rasa's, with a button for each hotline whose number it names."""
        calls = [_call(hotline, self.call_payload) for hotline in named_in(text, self.hotlines)]
        return {"text": text, "buttons": calls} if calls else {"text": text}

    def replies_to(self, category: str) -> list[str] | None:
        """The fixed replies of a crisis category or of one below it; None for any other."""
        return next((texts for crisis, texts in self.replies.items() if stands_below(category, crisis)), None)


def _crisis_response(
    text: str, kind: str, answers: list[dict[str, str]], numbers: dict[str, Hotline], call_payload: str
) -> dict[str, Any]:
    """A response for one kind of crisis, or for any, with buttons to answer and to call the numbers that its text names."""
    named = dict.fromkeys(name.partition(".")[0] for _, name, _, _ in Formatter().parse(text) if name)
    calls = [_call(numbers[key], call_payload) for key in named]
    response: dict[str, Any] = {"text": text.format(**numbers), "buttons": [*answers, *calls]}
    if kind != ANY_KIND:
        response["condition"] = [{"type": "slot", "name": "crisis", "value": kind}]
    return response


def _call(hotline: Hotline, payload: str) -> dict[str, str]:
    return hotline.button(payload.format(number=hotline.number))


def full_intent(category: str) -> str:
    """The category's full intent in Rasa: "감정/걱정" is "wellness/감정.걱정"."""
    return f"{RETRIEVAL_INTENT}/{response_key(category)}"


def answers_by_category(
    data: WellnessData, crisis: Crisis, parent_answers: dict[str, list[str]], open_answers: list[str]
) -> dict[str, list[str]]:
    """What the bot may answer in each category that has utterances and in those above: never nothing, never a single answer.

    Crisis categories get their fixed replies. A category with fewer than `MIN_ANSWERS` of its own borrows: from
    `parent_answers`, from its only child, from its nearest ancestor that has answers, then from `open_answers`.
    """
    known = {**parent_answers, **data.answers}
    answers: dict[str, list[str]] = {}
    for category in _with_ancestors(data.utterances):
        fixed = crisis.replies_to(category)
        if fixed:
            answers[category] = fixed
            continue
        children = [name for name in data.utterances if name.startswith(f"{category}/")]
        only_child = known.get(children[0], []) if len(children) == 1 and not crisis.replies_to(children[0]) else []
        texts = list(known.get(category, []))
        for lender in [only_child, *(known.get(ancestor, []) for ancestor in _ancestors(category)), open_answers]:
            if len(texts) >= MIN_ANSWERS:
                break
            texts.extend(text for text in lender if text not in texts)
        answers[category] = texts
    return answers


def _ancestors(category: str) -> list[str]:
    """The categories above one, the nearest first."""
    path = category.split("/")
    return ["/".join(path[:depth]) for depth in range(len(path) - 1, 0, -1)]


def _with_ancestors(categories: Iterable[str]) -> list[str]:
    return sorted({name for category in categories for name in (category, *_ancestors(category))})


def question_answer_pairs(data: WellnessData, crisis: Crisis) -> Iterable[tuple[str, str]]:
    """Each question with each answer of its own category; crisis categories answer with their fixed replies."""
    for category, utterances in data.utterances.items():
        answers = crisis.replies_to(category) or data.answers.get(category, [])
        yield from ((utterance, answer) for utterance in utterances for answer in answers)


def write_rasa_data(
    folder: Path, data: WellnessData, crisis: Crisis, answers: dict[str, list[str]], crisis_utterances: Sequence[str] = ()
) -> None:
    """Writes `nlu.yml` and `responses.yml` into `folder`.

    `crisis_utterances` stand there because Rasa wants examples of every intent; CrisisDetector learns from a file of its own.
    """
    intents = {full_intent(name): texts for name, texts in data.utterances.items()}
    if crisis_utterances:
        intents[CRISIS] = list(crisis_utterances)
    nlu = [{"intent": intent, "examples": _examples(texts)} for intent, texts in intents.items()]
    _write_yaml(folder / "nlu.yml", {"version": "3.1", "nlu": nlu})
    responses = {
        f"utter_{full_intent(category)}": [crisis.answer(text) for text in texts] for category, texts in answers.items()
    }
    _write_yaml(folder / "responses.yml", {"version": "3.1", "responses": responses | crisis.responses})


def write_pairs(folder: Path, data: WellnessData, answer_pairs: Iterable[tuple[str, str]]) -> None:
    """Writes the numbered categories, the question–category pairs and the question–answer pairs into `folder`."""
    numbers = {category: number for number, category in enumerate(data.categories)}
    _write_csv(folder / "categories.csv", ("number", "category"), ((number, name) for name, number in numbers.items()))
    _write_csv(
        folder / "question_category.csv",
        ("question", "category", "number"),
        ((text, name, numbers[name]) for name in numbers for text in data.utterances.get(name, [])),
    )
    _write_csv(folder / "question_answer.csv", ("question", "answer"), dict.fromkeys(answer_pairs))


def _examples(utterances: list[str]) -> str:
    # "[슬픔](emotion)", "[슬픔]{…}" and "[슬픔][…]" would be read as entities; a space keeps them text.
    return "".join("- " + re.sub(r"\](?=[(\[{])", "] ", text) + "\n" for text in utterances)


def _write_csv(file: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        writer.writerows(rows)


class _Dumper(yaml.SafeDumper):
    """Writes strings of several lines as literal blocks, which is how Rasa's users know examples.

    Quotes "${…}", which Rasa would otherwise replace by an environment variable.
    """


def _string(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else '"' if "${" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _string)


def _write_yaml(file: Path, content: dict[str, Any]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        yaml.dump(content, stream, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10_000)
