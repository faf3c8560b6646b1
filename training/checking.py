"""Looking a dataset over before anybody learns from it: what `python -m training check-data` does."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import numpy as np
import yaml
from sklearn.feature_extraction.text import CountVectorizer

from components.lexical import LexicalModel
from training.dataset import WELLNESS_COLUMNS, WellnessData, wellness_data
from training.tables import TableError, read_table

MIN_UTTERANCES = 12
MIN_ANSWERS = 3
LENGTHS = (5, 80)  # characters of an utterance
NEAR_DUPLICATE = 0.7  # Jaccard likeness of two utterances' character 3-grams
MAX_NEAR_DUPLICATES = 0.005  # share of the utterances
MAX_SAME_OPENING = 0.01  # share of the utterances that begin with the same three words
TOP1 = (0.40, 0.75)  # out of fold: above it the text is formulaic, below it the categories run together
FOLDS = 5
_BLOCK = 1000  # texts compared with all others at a time

_CHAT = re.compile(r"[ㄱ-ㅎㅏ-ㅣ]|;;|\.\.|~")
_POLITE = re.compile(r"(요|죠|니다|니까|세용|여)[\W\sㄱ-ㅎㅏ-ㅣ]*$")


@dataclass
class CheckReport:
    """What is in a dataset, and what must not be.

    Attributes:
        statistics: what was counted, by name, ready to print.
        problems: a sentence for each thing to mend; empty for a sound dataset.
        confusions: (true category, category taken for it, how often), the commonest first; empty without `classify`.
    """

    statistics: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    confusions: list[tuple[str, str, int]] = field(default_factory=list)


def check(file: Path, banned: Path, classify: bool = True) -> CheckReport:
    """Checks a file of AI Hub's columns against the limits above and the patterns in `banned`.

    Args:
        classify: also predict every utterance out of fold with the lexical model, which takes most of the time.

    Raises:
        training.tables.TableError: the file can't be read.
    """
    data = wellness_data(read_table(file, [WELLNESS_COLUMNS])[1])
    texts = [(category, text) for category, utterances in data.utterances.items() for text in utterances]
    if not texts:
        raise TableError(f"{file}: no row has both a 구분 and a 유저; there is nothing to check.")
    report = CheckReport()
    _count(data, [text for _, text in texts], report)
    report.problems += [f"duplicate: {text!r}" for text in data.duplicates]
    report.problems += [f"conflict: {text!r} stands in {', '.join(names)}" for text, names in data.conflicts.items()]
    report.problems += _thin(data)
    report.problems += _of_wrong_length([text for _, text in texts])
    report.problems += _same_openings([text for _, text in texts])
    report.problems += _shared_answers(data)
    report.problems += list(_banned(data, banned))

    pairs = near_duplicates([text for _, text in texts])
    share = len(pairs) / max(1, len(texts))
    report.statistics["near-duplicates"] = f"{len(pairs)} pairs ({share:.2%})"
    if share > MAX_NEAR_DUPLICATES:
        report.problems += [f"near-duplicates: {texts[left][1]!r} and {texts[right][1]!r}" for left, right in pairs]
    if classify:
        _classify(texts, report)
    return report


def near_duplicates(texts: list[str]) -> list[tuple[int, int]]:
    """The pairs of texts whose character 3-grams are more than `NEAR_DUPLICATE` alike."""
    grams = CountVectorizer(analyzer=_trigrams, binary=True, dtype=np.int32).fit_transform(texts)
    sizes = np.asarray(grams.sum(axis=1)).ravel()
    pairs: list[tuple[int, int]] = []
    for start in range(0, len(texts), _BLOCK):
        shared = (grams[start : start + _BLOCK] @ grams.T).tocoo()
        left, right = shared.row + start, shared.col
        alike = shared.data / (sizes[left] + sizes[right] - shared.data) > NEAR_DUPLICATE
        pairs += [(int(one), int(other)) for one, other in zip(left[alike], right[alike]) if one < other]
    return sorted(pairs)


def _trigrams(text: str) -> list[str]:
    return [text[start : start + 3] for start in range(max(1, len(text) - 2))]


def _count(data: WellnessData, texts: list[str], report: CheckReport) -> None:
    sizes = [len(utterances) for utterances in data.utterances.values()]
    answers = [len(data.answers.get(category, [])) for category in data.utterances]
    lengths = [len(text) for text in texts]
    report.statistics |= {
        "categories": f"{len(sizes)}",
        "utterances": f"{len(texts):,} ({min(sizes)} to {max(sizes)} a category)",
        "answers": f"{sum(answers):,} ({min(answers)} to {max(answers)} a category)",
        "characters": f"{min(lengths)} to {max(lengths)}, median {median(lengths):.0f}",
        "polite endings (요, 니다)": f"{np.mean([bool(_POLITE.search(text)) for text in texts]):.0%}",
        "chat spelling (ㅠㅠ, ㅋㅋ, .., ;;, ~)": f"{np.mean([bool(_CHAT.search(text)) for text in texts]):.0%}",
    }


def _thin(data: WellnessData) -> list[str]:
    problems = []
    for category, utterances in data.utterances.items():
        if len(utterances) < MIN_UTTERANCES:
            problems.append(f"thin: {category} has {len(utterances)} utterances, and {MIN_UTTERANCES} are wanted")
        if len(data.answers.get(category, [])) < MIN_ANSWERS:
            problems.append(f"thin: {category} has {len(data.answers.get(category, []))} answers, and {MIN_ANSWERS} are wanted")
    return problems


def _of_wrong_length(texts: list[str]) -> list[str]:
    shortest, longest = LENGTHS
    return [f"length {len(text)}: {text!r}" for text in texts if not shortest <= len(text) <= longest]


def _same_openings(texts: list[str]) -> list[str]:
    openings = Counter(" ".join(text.split()[:3]) for text in texts if len(text.split()) > 3)
    often = max(3, MAX_SAME_OPENING * len(texts))
    return [f"opening used {count} times: {opening!r}" for opening, count in openings.items() if count > often]


def _shared_answers(data: WellnessData) -> list[str]:
    owners: dict[str, list[str]] = defaultdict(list)
    for category, texts in data.answers.items():
        for text in texts:
            owners[text].append(category)
    return [f"answer of {' and '.join(names)}: {text!r}" for text, names in owners.items() if len(names) > 1]


def _banned(data: WellnessData, banned: Path) -> Iterator[str]:
    kinds = yaml.safe_load(banned.read_text(encoding="utf-8"))
    patterns = [(kind, re.compile(pattern)) for kind, texts in kinds.items() for pattern in texts]
    for category, answers in data.answers.items():
        for answer in answers:
            for kind, pattern in patterns:
                if match := pattern.search(answer):
                    yield f"{kind} in an answer of {category}: {match.group()!r} in {answer!r}"


def _classify(texts: list[tuple[str, str]], report: CheckReport) -> None:
    """Adds the out-of-fold accuracy of the lexical model and its commonest confusions."""
    names = sorted({category for category, _ in texts})
    labels = np.array([names.index(category) for category, _ in texts])
    utterances = [text for _, text in texts]
    # In the order of their categories, so that each is spread over the folds, however few utterances it has.
    order = np.lexsort((np.random.default_rng(0).random(len(labels)), labels))
    folds = [fold for start in range(FOLDS) if len(fold := order[start::FOLDS])]
    scores = np.zeros((len(texts), len(names)), dtype=np.float32)
    scores[np.concatenate(folds)] = np.concatenate(LexicalModel().fit(utterances, labels, len(names), folds))
    ranked = np.argsort(-scores, axis=1)[:, :3]
    top1 = float((ranked[:, 0] == labels).mean())
    top3 = float((ranked == labels[:, None]).any(axis=1).mean())
    report.statistics["out-of-fold top-1 / top-3"] = f"{top1:.3f} / {top3:.3f} ({FOLDS} folds, lexical model)"
    wrong = Counter((names[truth], names[taken]) for truth, taken in zip(labels, ranked[:, 0]) if truth != taken)
    report.confusions = [(truth, taken, count) for (truth, taken), count in wrong.most_common()]
    if not TOP1[0] <= top1 <= TOP1[1]:
        report.problems.append(f"out-of-fold top-1 is {top1:.3f}, and {TOP1[0]} to {TOP1[1]} is wanted")
