"""`python -m training COMMAND`: import data, evaluate, fine-tune a generator, benchmark."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn, Optional

import typer

from training.importing import DataFolder, ImportReport, bring_up_to_date, import_files
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
        Optional[list[Path]],
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


def _print_report(report: ImportReport) -> None:
    data = report.wellness
    counts = {
        "categories": len(data.utterances),
        "utterances": sum(map(len, data.utterances.values())),
        "answers": sum(map(len, data.answers.values())),
        "duplicates": data.duplicates.total(),
        "conflicts": len(data.conflicts),
        "categories without an answer": len(data.unanswered),
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
    for category in data.unanswered:
        typer.echo(f"no answer: {category} (it borrows from a category above it, or asks to hear more)")
    typer.echo(
        f"Written to {DATA.generated}: nlu.yml, responses.yml, categories.csv, question_category.csv, question_answer.csv"
    )


if __name__ == "__main__":
    app()
