"""`python -m training COMMAND`: import data, evaluate, fine-tune a generator, benchmark."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from training.importing import DataFolder, ImportReport, bring_up_to_date, import_files
from training.rasa_data import FILES
from training.tables import TableError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
DATA = DataFolder(Path(__file__).parent.parent / "data")


@app.callback()
def _commands() -> None:
    """Offline work for the Maeum bot."""


def _stop(error: Exception) -> NoReturn:
    """Ends the command with one sentence and exit code 2."""
    typer.echo(str(error), err=True)
    raise typer.Exit(2)


@app.command("import")
def import_(
    files: Annotated[
        list[Path] | None,
        typer.Argument(help="AI Hub CSV or XLSX (구분, 유저, 챗봇) or Chatbot_data CSV (Q, A, label). None: what is in use."),
    ] = None,
) -> None:
    """Makes training data from people's files; without FILES, brings it up to date with what is in `data/`."""
    try:
        report = import_files(files, DATA) if files else bring_up_to_date(DATA)
    except TableError as error:
        _stop(error)
    if report is not None:
        _print_report(report)


@app.command()
def check_data(
    file: Annotated[Path | None, typer.Argument(help="AI Hub CSV or XLSX; none: the open dataset.")] = None,
    classify: Annotated[bool, typer.Option(help="Also predict every utterance out of fold.")] = True,
) -> None:
    """Duplicates, conflicts, thin categories, lengths, registers, banned content, confusions; exit code 1 on a problem."""
    from training.checking import check

    try:
        report = check(file or DATA.open_dataset, DATA.root / "banned_in_answers.yml", classify)
    except TableError as error:
        _stop(error)
    for name, value in report.statistics.items():
        typer.echo(f"{name:>40}: {value}")
    for truth, taken, count in report.confusions[:20]:
        typer.echo(f"{count:>4} times taken for another: {truth} for {taken}")
    for problem in report.problems:
        typer.echo(problem, err=True)
    typer.echo(f"{len(report.problems)} problems")
    raise typer.Exit(1 if report.problems else 0)


@app.command()
def evaluate(
    train: Annotated[Path, typer.Option(help="AI Hub CSV or XLSX to learn from.")],
    test: Annotated[Path, typer.Option(help="A file of the same columns to be tested on.")],
    json_: Annotated[Path, typer.Option("--json", help="Where the figures go.")],
    encoder: Annotated[str, typer.Option(help="A hub id or folder to fine-tune, or none: the lexical model alone.")] = "none",
) -> None:
    """Trains on one file and tests on another; reads and writes nothing else."""
    from components.encoder.settings import EncoderError, EncoderSettings
    from training.evaluation import evaluate as evaluate_files

    is_new = not json_.exists()
    try:
        json_.open("a", encoding="utf-8").close()  # now, because training may take hours
        figures = evaluate_files(train, test, None if encoder == "none" else EncoderSettings(source=encoder))
        json_.write_text(json.dumps(figures, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    except (TableError, EncoderError, ValueError) as error:
        if is_new:
            json_.unlink()
        _stop(error)
    except OSError as error:
        _stop(OSError(f"{error.filename or json_}: can't be written ({error.strerror}); give another path."))
    for name in ("top1", "top3", "macro_f1", "ece", "train_seconds"):
        typer.echo(f"{name:>14}: {figures[name]:.3f}")


@app.command()
def finetune_generator(
    base: Annotated[str, typer.Option(help="skt/kogpt2-base-v2, taeminlee/kogpt2, another hub id of that kind, or a folder.")],
    pairs: Annotated[Path, typer.Option(help="CSV with the columns question,answer.")] = DATA.generated / "question_answer.csv",
    out: Annotated[Path, typer.Option(help="Where the action server will look for it (bot/generation.yml).")] = Path(
        "models/generator"
    ),
    epochs: Annotated[int, typer.Option(min=1)] = 5,
    learning_rate: Annotated[float, typer.Option(min=0)] = 5e-5,
    batch_size: Annotated[int, typer.Option(min=1)] = 16,
) -> None:
    """Fine-tunes KoGPT2 or its kind on question-answer pairs and exports it for the action server."""
    from training.generator import GeneratorError, GeneratorSettings, read_pairs
    from training.generator import finetune_generator as finetune

    settings = GeneratorSettings(source=base, epochs=epochs, learning_rate=learning_rate, batch_size=batch_size)
    try:
        loss = finetune(settings, read_pairs(pairs), out)
    except GeneratorError as error:
        _stop(error)
    typer.echo(f"The generator is in {out} (held-out loss {loss:.3f}); restart the action server to use it.")


@app.command()
def benchmark(
    turns: Annotated[int, typer.Option(min=50, help="How many messages are sent.")] = 400,
    model: Annotated[Path, typer.Option(help="The model to serve.")] = DATA.root.parent / "models" / "maeum.tar.gz",
) -> None:
    """REST turns of the bot beside those of the least bot Rasa can serve: time, memory, start."""
    from training.benchmark import benchmark as measure

    with (DATA.generated / "question_category.csv").open(encoding="utf-8", newline="") as stream:
        questions = [row["question"] for row in csv.DictReader(stream)]
    messages = random.Random(0).choices(questions, k=turns)
    floor, bot = measure(model, messages, DATA.root.parent)
    typer.echo(f"{'':>24}  p50 ms  p99 ms  memory MB  start s")
    for row in (floor, bot):
        typer.echo(f"{row.name:>24}  {row.p50:6.1f}  {row.p99:6.1f}  {row.memory:9.0f}  {row.start:7.1f}")
    ratios = (bot.p50 / floor.p50, bot.p99 / floor.p99, bot.memory / floor.memory, bot.start / floor.start)
    typer.echo(f"{'ratio':>24}  {ratios[0]:6.2f}  {ratios[1]:6.2f}  {ratios[2]:9.2f}  {ratios[3]:7.2f}")


def _print_report(report: ImportReport) -> None:
    data = report.wellness
    counts = {
        "categories": len(data.utterances),
        "utterances": sum(map(len, data.utterances.values())),
        "answers": sum(map(len, data.answers.values())),
        "duplicates": data.duplicates.total(),
        "conflicts": len(data.conflicts),
        "categories without an answer": len(report.unanswered),
        "rows without a category": data.rows_without_category,
        "utterances left to ordinary intents": len(report.ordinary),
        "Chatbot_data pairs": report.chatbot_pairs,
        "question-answer pairs": report.question_answer_pairs,
    }
    typer.echo(f"Wellness data: {report.source}")
    for name, count in counts.items():
        typer.echo(f"{name:>36}: {count:,}")
    for utterance, categories in list(data.conflicts.items())[:10]:
        typer.echo(f"conflict: {utterance!r} stands in {', '.join(categories)}")
    for category in report.unanswered:
        typer.echo(f"no answer: {category} (it borrows from a category above it, or asks to hear more)")
    typer.echo(f"Written to {DATA.generated}: {', '.join(FILES)}")


if __name__ == "__main__":
    app()
