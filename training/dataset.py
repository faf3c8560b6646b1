"""What an imported file says: categories with their utterances and answers, and what was wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from training.tables import Row, read_table

WELLNESS_COLUMNS = ("구분", "유저", "챗봇")
PARENT_COLUMNS = ("구분", "챗봇")
CRISIS_COLUMNS = ("utterance", "kind", "note")
CHATBOT_COLUMNS = ("Q", "A", "label")


@dataclass
class WellnessData:
    """AI Hub's 웰니스 대화 스크립트, or a file of its form, made consistent."""

    # Category ("감정/걱정/미래") to its utterances and to its answers, each in the file's order and without duplicates.
    utterances: dict[str, list[str]]
    answers: dict[str, list[str]]
    # Utterances that stood twice in one category, and how often more than once.
    duplicates: Counter[str] = field(default_factory=Counter)
    # Utterances that stood in several categories, with those categories; they are kept in one of them.
    conflicts: dict[str, list[str]] = field(default_factory=dict)
    # Rows that named no category.
    rows_without_category: int = 0

    @property
    def categories(self) -> list[str]:
        """All categories, sorted; a category's number is its place here."""
        return sorted({*self.utterances, *self.answers})

    @property
    def unanswered(self) -> list[str]:
        """Categories with utterances and no answer of their own."""
        return [category for category in self.categories if self.utterances.get(category) and not self.answers.get(category)]

    def rows(self) -> list[Row]:
        """The data as rows of AI Hub's columns."""
        rows = []
        for category in self.categories:
            utterances, answers = self.utterances.get(category, []), self.answers.get(category, [])
            for index in range(max(len(utterances), len(answers))):
                utterance = utterances[index] if index < len(utterances) else ""
                answer = answers[index] if index < len(answers) else ""
                rows.append(dict(zip(WELLNESS_COLUMNS, (category, utterance, answer))))
        return rows


def read_files(paths: list[Path]) -> tuple[list[Row], list[Row]]:
    """The rows of all files: those with AI Hub's columns, and those with Chatbot_data's.

    Raises:
        training.tables.TableError: a file can't be read, or has neither's columns.
    """
    wellness: list[Row] = []
    chatbot: list[Row] = []
    for path in paths:
        layout, rows = read_table(path, (WELLNESS_COLUMNS, CHATBOT_COLUMNS))
        (wellness if layout == WELLNESS_COLUMNS else chatbot).extend(rows)
    return wellness, chatbot


def wellness_data(rows: list[Row], crisis_categories: Collection[str] = ()) -> WellnessData:
    """Sorts rows of AI Hub's columns by category, without duplicates.

    An utterance in several categories stays in a crisis category if one of them is that, else where it stands most often, else
    where it stands first: of two ways to be wrong, the one that misses nobody at risk.
    """
    stands_in: dict[str, Counter[str]] = defaultdict(Counter)
    answers: dict[str, list[str]] = {}
    without_category = 0
    for row in rows:
        category = category_path(row["구분"])
        if not category:
            without_category += 1
            continue
        if row["유저"]:
            stands_in[row["유저"]][category] += 1
        if row["챗봇"] and row["챗봇"] not in answers.setdefault(category, []):
            answers[category].append(row["챗봇"])

    data = WellnessData(
        {}, {category: texts for category, texts in answers.items() if texts}, rows_without_category=without_category
    )
    for utterance, categories in stands_in.items():
        in_crisis = [name for name in categories if any(stands_below(name, crisis) for crisis in crisis_categories)]
        candidates = in_crisis or list(categories)
        data.utterances.setdefault(max(candidates, key=categories.__getitem__), []).append(utterance)
        repeated = sum(count - 1 for count in categories.values())
        if repeated:
            data.duplicates[utterance] = repeated
        if len(categories) > 1:
            data.conflicts[utterance] = sorted(categories)
    return data


def stands_below(category: str, other: str) -> bool:
    """Whether it is the other category or stands below it."""
    return f"{category}/".startswith(f"{other}/")


def category_path(cell: str) -> str:
    """A category as a path without stray spaces and slashes: " 감정 / 걱정/" is "감정/걱정"."""
    return "/".join(part for part in (part.strip() for part in cell.split("/")) if part)


def answer_pairs(rows: list[Row]) -> list[tuple[str, str]]:
    """The distinct question–answer pairs of rows with Chatbot_data's columns, in order."""
    return list(dict.fromkeys((row["Q"], row["A"]) for row in rows if row["Q"] and row["A"]))
