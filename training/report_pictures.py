"""The report's pictures, drawn for a light and for a dark page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from training.report import EvaluationResult, interval
from training.report_style import THEMES, Theme, drawable, figure_of, in_percent, luminance, style, svg

Words = dict[str, Any]

_BINS = 15  # as the expected calibration error has it
_MOST_AREAS = 13  # a phone shows no more; the rarest are taken together
_LONGEST_AREA = 8  # characters
_SIZE_GROUPS = 6


def draw(result: EvaluationResult, words: Words) -> dict[str, tuple[str, dict[str, bytes]]]:
    """For each picture, by the name of its words: its alternative text, and SVG for each of `THEMES`."""
    pictures: dict[str, tuple[str, dict[str, bytes]]] = {}
    for name, picture in _PICTURES.items():
        drawn = {}
        for theme_name, theme in THEMES.items():
            with matplotlib.rc_context(style(theme)):
                figure, alt = picture(result, words[name], theme)
                drawn[theme_name] = svg(figure)
        pictures[name] = alt, drawn
    return pictures


def _reliability(result: EvaluationResult, words: Words, theme: Theme) -> tuple[Figure, str]:
    figure = figure_of(4.7)
    above, below = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [4, 1]})
    above.plot([0, 1], [0, 1], color=theme.quiet, linewidth=1, linestyle=(0, (4, 4)), label=words["ideal"])
    above.legend(loc="upper left", frameon=False, labelcolor=theme.quiet, fontsize=9.5, borderpad=0)
    bins = np.minimum((result.confidence * _BINS).astype(int), _BINS - 1)
    counts = np.bincount(bins, minlength=_BINS)
    filled = np.flatnonzero(counts)
    confidence = np.array([result.confidence[bins == index].mean() for index in filled])
    accuracy, errors = _accuracies([result.hits[bins == index] for index in filled])
    above.errorbar(confidence, accuracy, yerr=errors, fmt="none", ecolor=theme.accent, elinewidth=1.5, alpha=0.45)
    above.plot(
        confidence,
        accuracy,
        marker="o",
        color=theme.accent,
        markeredgecolor=theme.surface,
        markersize=8,
        clip_on=False,
        zorder=3,
    )
    above.text(1, 0.02, words["error"].format(**result.figures), ha="right", va="bottom", weight="bold")
    above.set(xlim=(0, 1), ylim=(0, 1), ylabel=words["accuracy"])
    below.bar((np.arange(_BINS) + 0.5) / _BINS, counts / len(bins), width=0.86 / _BINS, color=theme.second)
    below.set(xlabel=words["confidence"], ylabel=words["share"])
    above.grid(axis="y")
    below.grid(axis="y")
    in_percent(above.yaxis)
    in_percent(below.yaxis, ticks=3)
    in_percent(below.xaxis)
    alt = words["alt"].format(confidence=result.confidence.mean(), **result.figures)
    return figure, alt


def _risk_coverage(result: EvaluationResult, words: Words, theme: Theme) -> tuple[Figure, str]:
    figure = figure_of(4.7)
    axes = figure.subplots()
    order = np.argsort(-result.confidence, kind="stable")
    answered = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(result.hits[order]) / answered
    steady = answered >= min(len(order), max(5, len(order) // 100))  # the first few say little
    axes.axhline(result.target_precision, color=theme.mark, linewidth=1, linestyle=(0, (4, 4)), alpha=0.7)
    axes.plot(answered[steady] / len(order), accuracy[steady], color=theme.accent)
    share, precision = result.answered
    mark_below = share > 0.5  # else above the curve, which falls: there is room to the right
    axes.annotate(
        words["target"].format(target=result.target_precision), (0.02 if mark_below else 1.02, result.target_precision),
        xytext=(0, 4), textcoords="offset points", color=theme.mark, fontsize=9.5, ha="left" if mark_below else "right",
    )  # fmt: skip
    lowest = min(accuracy[steady].min(), result.target_precision, precision if share else 1)
    axes.set(xlim=(0, 1.02), ylim=(max(0, np.floor(lowest * 10 - 1) / 10), 1.03))
    values = {"threshold": result.threshold, "share": share, "accuracy": precision}
    if share:
        axes.plot([share, share], [0, precision], color=theme.mark, linewidth=1)
        axes.plot(share, precision, marker="o", color=theme.mark, markeredgecolor=theme.surface, markersize=10)
        axes.annotate(
            words["mark"].format(**values), (share, precision), xytext=(-12, -12) if mark_below else (10, 10),
            textcoords="offset points", ha="right" if mark_below else "left", va="top" if mark_below else "bottom",
            weight="bold", linespacing=1.5,
        )  # fmt: skip
    axes.set(xlabel=words["coverage"], ylabel=words["accuracy"])
    axes.grid(axis="y")
    in_percent(axes.xaxis)
    in_percent(axes.yaxis)
    return figure, words["alt"].format(chosen=words["chosen" if share else "none_chosen"].format(**values))


def _areas(result: EvaluationResult, words: Words, theme: Theme) -> tuple[Figure, str]:
    truth, taken = ([category.split("/")[0] for category in part] for part in (result.truth, result.taken))
    names = [name for name, _ in Counter(truth).most_common()]
    names += sorted(set(taken) - set(names))
    if len(names) > _MOST_AREAS:
        kept = names[: _MOST_AREAS - 1]
        truth, taken = ([name if name in kept else words["others"] for name in part] for part in (truth, taken))
        names = [*kept, words["others"]]
    counts = np.zeros((len(names), len(names)))
    np.add.at(counts, ([names.index(name) for name in truth], [names.index(name) for name in taken]), 1)
    totals = counts.sum(axis=1)
    shares = counts / np.maximum(totals, 1)[:, None]

    figure = figure_of(4.7)
    axes = figure.subplots()
    colours = LinearSegmentedColormap.from_list("shares", [theme.surface, theme.accent])
    axes.pcolormesh(shares, cmap=colours, vmin=0, vmax=1, edgecolors=theme.line, linewidth=0.6)
    for row, column in zip(*np.nonzero(shares >= 0.005)):
        on_dark = luminance(colours(shares[row, column])) < 0.5
        axes.text(
            column + 0.5, row + 0.5, f"{shares[row, column] * 100:.0f}", ha="center", va="center", fontsize=8.5,
            color="#ffffff" if on_dark else "#10201d", weight="bold" if row == column else "normal",
        )  # fmt: skip
    labels = [drawable(name if len(name) <= _LONGEST_AREA else name[: _LONGEST_AREA - 1] + "…") for name in names]
    ticks = np.arange(len(names)) + 0.5
    axes.set_xticks(ticks, labels, rotation=90 if len(names) > 6 else 0, color=theme.ink)
    axes.set_yticks(ticks, [f"{label} ({total:,.0f})" for label, total in zip(labels, totals)], color=theme.ink)
    axes.tick_params(length=0, labelsize=9.5)
    axes.set_xlabel(words["taken"], labelpad=8)
    axes.set_ylabel(words["truth"], labelpad=8)
    axes.invert_yaxis()
    axes.xaxis.set_label_position("top")
    axes.xaxis.tick_top()
    for spine in axes.spines.values():
        spine.set_visible(False)
    rows = ", ".join(
        words["alt_row"].format(area=name, recall=shares[index, index]) for index, name in enumerate(names) if totals[index]
    )
    return figure, words["alt"].format(same=float(np.trace(counts) / counts.sum()), rows=rows)


def _learning_curve(result: EvaluationResult, words: Words, theme: Theme) -> tuple[Figure, str]:
    figure = figure_of(3.8)
    axes = figure.subplots()
    utterances, top1, top3 = zip(*result.learning_curve)
    # What is said of the upper line stands above it, and of the lower line below it, so that they may lie near each other.
    for name, values, colour, away, side in (
        ("top-3", top3, theme.second, 8, "bottom"), ("top-1", top1, theme.accent, -8, "top")
    ):  # fmt: skip
        axes.plot(utterances, values, marker="o", color=colour, markeredgecolor=theme.surface, markersize=8)
        for x, y in zip(utterances, values):
            axes.annotate(f"{y:.0%}", (x, y), xytext=(0, away), textcoords="offset points", ha="center", va=side, fontsize=9.5)
        axes.annotate(
            name, (utterances[-1], values[-1]), xytext=(12, -away / 4), textcoords="offset points", va=side, color=colour,
            weight="bold", bbox={"facecolor": theme.surface, "edgecolor": "none", "pad": 2},
        )  # fmt: skip
    axes.set(xlim=(0, utterances[-1] * 1.17), ylim=(0, min(1.1, max(top3) * 1.2 + 0.05)))
    axes.set_xticks(utterances)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set(xlabel=words["utterances"], ylabel=words["accuracy"])
    axes.grid(axis="y")
    in_percent(axes.yaxis)
    points = ", ".join(words["alt_point"].format(**point._asdict()) for point in result.learning_curve)
    return figure, words["alt"].format(points=points)


def _sizes(result: EvaluationResult, words: Words, theme: Theme) -> tuple[Figure, str]:
    sizes = np.array([result.train_sizes.get(category, 0) for category in result.truth])
    # Groups of about as many test utterances each; categories of one size stay together.
    bounds = np.unique(np.quantile(sizes, np.linspace(0, 1, _SIZE_GROUPS + 1)[1:], method="higher"))
    group = np.searchsorted(bounds, sizes)
    names, hits = [], []
    for index in np.unique(group):
        inside = sizes[group == index]
        name = f"{inside.min()}–{inside.max()}" if inside.min() < inside.max() else f"{inside.min()}"
        categories = len({category for category, own in zip(result.truth, group) if own == index})
        names.append((name, categories))
        hits.append(result.hits[group == index])
    accuracy, errors = _accuracies(hits)

    figure = figure_of(3.8)
    axes = figure.subplots()
    axes.bar(range(len(names)), accuracy, width=0.62, color=theme.accent)
    axes.errorbar(range(len(names)), accuracy, yerr=errors, fmt="none", ecolor=theme.ink, elinewidth=1.2, capsize=3, alpha=0.7)
    for index, value in enumerate(accuracy):
        axes.text(index, 0.012, f"{value:.0%}", ha="center", va="bottom", color=theme.surface, weight="bold")
    axes.set_xticks(range(len(names)), [words["group"].format(size=size, categories=count) for size, count in names])
    axes.tick_params(axis="x", length=0)
    middle, reach = (len(names) - 1) / 2, max(len(names), 4) / 2 + 0.1  # few bars don't grow broad
    axes.set(xlim=(middle - reach, middle + reach), ylim=(0, min(1, (accuracy + errors[1]).max() * 1.1 + 0.02)))
    axes.set(xlabel=words["size"], ylabel=words["accuracy"])
    axes.grid(axis="y")
    in_percent(axes.yaxis)
    groups = ", ".join(words["alt_group"].format(size=size, accuracy=value) for (size, _), value in zip(names, accuracy))
    return figure, words["alt"].format(groups=groups)


_PICTURES: dict[str, Callable[[EvaluationResult, Words, Theme], tuple[Figure, str]]] = {
    "reliability": _reliability,
    "risk_coverage": _risk_coverage,
    "areas": _areas,
    "learning_curve": _learning_curve,
    "sizes": _sizes,
}


def _accuracies(groups: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(groups,) the share of hits in each, and (2, groups) how far its 95 % interval reaches below and above."""
    accuracy = np.array([hits.mean() for hits in groups])
    bounds = np.array([interval(int(hits.sum()), len(hits)) for hits in groups]).T
    return accuracy, np.abs(bounds - accuracy)
