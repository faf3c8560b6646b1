"""From people's files to training data: what `python -m training import` does."""

from __future__ import annotations

import csv
import filecmp
import hashlib
import re
import shutil
import tempfile
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import yaml

from components.crisis_examples import CrisisExamplesError, kind_of
from components.crisis_lexicon import CrisisLexicon
from training import dataset, rasa_data, tables
from training.dataset import CHATBOT_COLUMNS, CRISIS_COLUMNS, PARENT_COLUMNS, WELLNESS_COLUMNS, WellnessData
from training.pipeline import pipeline_of
from training.tables import Row, TableError

# The intents beside the wellness categories. An utterance that stands there is not taken into a category.
_INTENTS_FILE = "intents.yml"
_FINGERPRINT_FILE = "fingerprint"
# Of each kind of risk; more would only make Rasa slower.
_EXAMPLES_OF_A_KIND = 100
# A category tells of a risk to a life if this share of its utterances does in the crisis lexicon's words, or if its name does.
# Of the open dataset's crisis categories they are 5 to 10 %, and of no other a single utterance.
_RISKY_SHARE = 0.03
_RISKY_NAME = re.compile("자살|자해|살인")


@dataclass(frozen=True)
class DataFolder:
    """The project's `data/` folder: sources that people write, copies of what they imported, and what is generated."""

    root: Path

    @property
    def open_dataset(self) -> Path:
        """The dataset that comes with the project."""
        return self.root / "wellness.csv"

    @property
    def crisis(self) -> Path:
        return self.root / "crisis.yml"

    @property
    def crisis_lexicon(self) -> Path:
        return self.root / "crisis_lexicon.yml"

    @property
    def config(self) -> Path:
        """Rasa's, beside this folder."""
        return self.root.parent / "config.yml"

    @property
    def crisis_utterances(self) -> Path:
        """Messages with a risk to a life, and with the same words but none."""
        return self.root / "crisis_utterances.csv"

    @property
    def parent_answers(self) -> Path:
        """Answers of the categories above those that have utterances."""
        return self.root / "parent_answers.csv"

    @property
    def imported(self) -> Path:
        """Copies of the rows people imported; they stand in for the open dataset until this folder is deleted."""
        return self.root / "imported"

    @property
    def generated(self) -> Path:
        return self.root / "generated"

    @property
    def wellness(self) -> Path:
        """The wellness rows in use: the imported ones if there are any, else the open dataset."""
        imported = self.imported / "wellness.csv"
        return imported if imported.exists() else self.open_dataset

    @property
    def chatbot(self) -> Path:
        """The imported rows of Chatbot_data; there may be none."""
        return self.imported / "chatbot.csv"


@dataclass(frozen=True)
class ImportReport:
    """What an import found in the rows now in use."""

    wellness: WellnessData
    source: Path
    chatbot_pairs: int
    question_answer_pairs: int
    # Utterances left out because an ordinary intent of `data/intents.yml` has them.
    ordinary: list[str]
    # Categories without an answer of their own, but for crisis categories, which have fixed replies.
    unanswered: list[str]
    # Categories that tell of a risk to a life and aren't treated so, with how many of their utterances plainly do.
    risky: dict[str, int]


def import_files(paths: list[Path], folder: DataFolder) -> ImportReport:
    """Takes over the rows of `paths` in place of those imported before, and generates the training data anew.

    AI Hub's columns replace the wellness data, Chatbot_data's the dialogue pairs; the other kind stays as it was.

    Raises:
        TableError: a file can't be used; nothing has been changed then.
    """
    wellness, chatbot = dataset.read_files(paths)
    names = ", ".join(map(str, paths))
    if wellness and not dataset.wellness_data(wellness).utterances:
        raise TableError(f"{names}: no row has both a 구분 and a 유저; there is nothing to learn from.")
    if chatbot and not dataset.answer_pairs(chatbot):
        raise TableError(f"{names}: no row has both a Q and an A; there is nothing to learn from.")
    report, staged = _generate(folder, wellness or None, chatbot or None)
    folder.imported.mkdir(exist_ok=True)
    if wellness:
        _write_rows(folder.imported / "wellness.csv", WELLNESS_COLUMNS, wellness)
    if chatbot:
        _write_rows(folder.imported / "chatbot.csv", CHATBOT_COLUMNS, chatbot)
    _put_in_place(folder, staged)
    return report


def bring_up_to_date(folder: DataFolder) -> ImportReport | None:
    """Generates the training data if its sources have changed since; returns None if they have not."""
    stamp = folder.generated / _FINGERPRINT_FILE
    complete = all((folder.generated / name).exists() for name in rasa_data.FILES)
    if complete and stamp.exists() and stamp.read_text(encoding="utf-8") == _fingerprint(folder):
        return None
    report, staged = _generate(folder, None, None)
    _put_in_place(folder, staged)
    return report


def _generate(folder: DataFolder, wellness: list[Row] | None, chatbot: list[Row] | None) -> tuple[ImportReport, Path]:
    """Writes everything into a new folder beside `generated`; rows not given are those in use."""
    source = folder.wellness
    if wellness is None:
        wellness = tables.read_table(source, [WELLNESS_COLUMNS])[1]
    elif wellness:
        source = folder.imported / "wellness.csv"
    if chatbot is None:
        chatbot = tables.read_table(folder.chatbot, [CHATBOT_COLUMNS])[1] if folder.chatbot.exists() else []

    crisis = rasa_data.Crisis.load(folder.crisis)
    data = dataset.wellness_data(wellness, crisis.replies)
    _check_names(data)
    open_answers = data.answers.get(rasa_data.OPEN_CATEGORY)
    if not open_answers:
        own = dataset.wellness_data(tables.read_table(folder.open_dataset, [WELLNESS_COLUMNS])[1])
        open_answers = own.answers.get(rasa_data.OPEN_CATEGORY)
    if not open_answers:
        raise TableError(
            f"{folder.open_dataset}: no row of the category {rasa_data.OPEN_CATEGORY} has a 챗봇; add two such rows or more,"
            " open questions, with which the bot answers where a category has too few answers of its own."
        )
    ordinary = _without_ordinary(data, folder.root / _INTENTS_FILE)
    crisis_utterances = _crisis_utterances(data, folder)
    if not data.utterances:
        raise TableError(f"{folder.root / _INTENTS_FILE} has every 유저 as an example already; give a file with other ones.")
    answers = rasa_data.answers_by_category(data, crisis, _parent_answers(folder), open_answers)
    chatbot_pairs = dataset.answer_pairs(chatbot)
    pairs = list(dict.fromkeys([*rasa_data.question_answer_pairs(data, crisis), *chatbot_pairs]))

    unanswered = [category for category in data.unanswered if not crisis.replies_to(category)]
    risky = _risky(data, crisis, folder)
    staged = Path(tempfile.mkdtemp(prefix=".generated-", dir=folder.root))
    rasa_data.write_rasa_data(staged, data, crisis, answers, crisis_utterances)
    rasa_data.write_pairs(staged, data, pairs)
    return ImportReport(data, source, len(chatbot_pairs), len(pairs), ordinary, unanswered, risky), staged


def _parent_answers(folder: DataFolder) -> dict[str, list[str]]:
    """Answers of categories that only have others below them ("감정", "증상"), for turns of which no more is sure."""
    answers: dict[str, list[str]] = {}
    for row in tables.read_table(folder.parent_answers, [PARENT_COLUMNS])[1]:
        answers.setdefault(dataset.category_path(row["구분"]), []).append(row["챗봇"])
    return answers


def _check_names(data: WellnessData) -> None:
    """Raises TableError if two categories would have one name in Rasa, as "가.나" and "가·나" would."""
    names: dict[str, str] = {}
    for category in data.categories:
        other = names.setdefault(rasa_data.full_intent(category), category)
        if other != category:
            raise TableError(f"The categories {other} and {category} would have one name in Rasa; rename one of them.")


def _crisis_utterances(data: WellnessData, folder: DataFolder) -> list[str]:
    """Some messages with each kind of risk, but none that is an example of a category or an ordinary intent already."""
    if not folder.crisis_utterances.exists():
        return []
    rows = tables.read_table(folder.crisis_utterances, [CRISIS_COLUMNS])[1]
    taken = _ordinary_utterances(folder.root / _INTENTS_FILE) | {text for texts in data.utterances.values() for text in texts}
    by_kind = defaultdict(list)
    for row in rows:
        if row["kind"] != "none" and row["utterance"] not in taken:
            by_kind[row["kind"]].append(row["utterance"])
    return [text for texts in by_kind.values() for text in texts[:_EXAMPLES_OF_A_KIND]]


def _risky(data: WellnessData, crisis: rasa_data.Crisis, folder: DataFolder) -> dict[str, int]:
    """The categories for `ImportReport.risky`: those without fixed replies, or harmless to the crisis detector."""
    try:
        lexicon = CrisisLexicon.read(folder.crisis_lexicon)
        named = [component.get("kinds_of_intents") or {} for component in pipeline_of(folder.config)]
    except (CrisisExamplesError, ValueError) as error:
        raise TableError(str(error)) from None
    kinds = {intent: kind for each in named for intent, kind in each.items()}
    risky = {}
    for category, utterances in data.utterances.items():
        if crisis.replies_to(category) and kind_of(rasa_data.full_intent(category), kinds):
            continue
        hits = int(lexicon.hits([lexicon.as_read(utterance) for utterance in utterances]).any(axis=1).sum())
        if hits >= _RISKY_SHARE * len(utterances) or _RISKY_NAME.search(category):
            risky[category] = hits
    return risky


def _ordinary_utterances(intents_file: Path) -> set[str]:
    nlu = yaml.safe_load(intents_file.read_text(encoding="utf-8"))["nlu"]
    return {tables.clean(line.removeprefix("- ")) for intent in nlu for line in intent["examples"].splitlines()}


def _without_ordinary(data: WellnessData, intents_file: Path) -> list[str]:
    """Removes utterances that are examples of an ordinary intent, and says which they were."""
    ordinary = _ordinary_utterances(intents_file)
    removed = []
    for category, utterances in list(data.utterances.items()):
        kept = [utterance for utterance in utterances if utterance not in ordinary]
        removed += [utterance for utterance in utterances if utterance in ordinary]
        if kept:
            data.utterances[category] = kept
        else:
            del data.utterances[category]
    return removed


def _put_in_place(folder: DataFolder, staged: Path) -> None:
    (staged / _FINGERPRINT_FILE).write_text(_fingerprint(folder), encoding="utf-8")
    staged.chmod(0o755)
    for file in staged.iterdir():
        before = folder.generated / file.name
        if before.exists() and filecmp.cmp(file, before, shallow=False):
            shutil.copystat(before, file)  # make goes by the times of files, and must not train the same model again
    old = folder.root / ".generated-old"
    shutil.rmtree(old, ignore_errors=True)
    if folder.generated.exists():
        folder.generated.rename(old)
    staged.rename(folder.generated)
    shutil.rmtree(old, ignore_errors=True)


def _fingerprint(folder: DataFolder) -> str:
    """Changes with the sources of the generated data and with the code that generates it."""
    sources = [folder.wellness, folder.chatbot, folder.crisis, folder.crisis_utterances, folder.parent_answers]
    sources.append(folder.root / _INTENTS_FILE)
    code = [Path(module.__file__ or "") for module in (tables, dataset, rasa_data)] + [Path(__file__)]
    present = [file for file in [*sources, *code] if file.exists()]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in present)).hexdigest()


def _write_rows(file: Path, columns: tuple[str, ...], rows: list[Row]) -> None:
    new = file.with_suffix(".new")
    with new.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, columns)
        writer.writeheader()
        writer.writerows(rows)
    new.replace(file)
