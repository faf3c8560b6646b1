from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.back_off import LEAST_CONFIDENCE, BackOff, threshold_for

PATHS = [("감정", "걱정"), ("감정", "걱정", "건강"), ("감정", "걱정", "미래"), ("감정", "화"), ("증상", "불면"), ("greet",)]


def ways(*probabilities: float, thresholds: tuple[float, float, float] = (0.5, 0.5, 0.5)) -> list[tuple[str, bool]]:
    levels = BackOff(PATHS, list(thresholds)).levels(np.array(probabilities))
    return [("/".join(level.category), level.answers) for level in levels]


def test_a_sure_leaf_is_reached() -> None:
    assert ways(0.0, 0.9, 0.05, 0.0, 0.05, 0.0) == [("감정", True), ("감정/걱정", True), ("감정/걱정/건강", True)]


def test_an_unsure_leaf_backs_off_to_a_sure_parent() -> None:
    assert ways(0.0, 0.4, 0.35, 0.05, 0.2, 0.0) == [("감정", True), ("감정/걱정", True), ("감정/걱정/건강", False)]


def test_the_way_ends_at_a_category_that_is_likelier_than_those_below_it() -> None:
    assert ways(0.6, 0.2, 0.1, 0.0, 0.1, 0.0) == [("감정", True), ("감정/걱정", True)]


def test_nothing_answers_where_nothing_is_sure() -> None:
    assert not any(answers for _, answers in ways(0.2, 0.2, 0.0, 0.05, 0.3, 0.25, thresholds=(0.6, 0.6, 0.6)))


def test_an_ordinary_intent_is_a_category_of_its_own() -> None:
    assert ways(0.0, 0.1, 0.0, 0.0, 0.1, 0.8) == [("greet", True)]


def test_the_threshold_is_the_least_confidence_at_which_enough_answers_are_right() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.6, 0.5]), np.array([1, 1, 0, 1, 0])
    assert threshold_for(0.75, confidence, right) == pytest.approx(0.6)
    assert threshold_for(0.9, confidence, right) == pytest.approx(0.8)
    assert threshold_for(0.9, confidence, np.zeros(5)) > 1


def test_what_is_likely_wrong_is_not_answered_however_many_others_are_right() -> None:
    confidence, right = np.array([0.9, 0.8, 0.7, 0.2]), np.array([1, 1, 1, 0])
    assert threshold_for(0.75, confidence, right) == LEAST_CONFIDENCE


def test_learned_thresholds_hold_what_they_promise_on_new_texts() -> None:
    random = np.random.default_rng(0)
    probabilities = random.dirichlet([0.3] * len(PATHS), size=8000)
    truth = np.array([random.choice(len(PATHS), p=row) for row in probabilities])
    back_off = BackOff.learn(PATHS, probabilities[:4000], truth[:4000], precision=0.8)
    right = []
    for row, column in zip(probabilities[4000:], truth[4000:]):
        for level in back_off.levels(row):
            if level.answers:
                right.append(PATHS[column][: len(level.category)] == level.category)
    assert np.mean(right) > 0.77


@given(st.lists(st.floats(0.001, 1), min_size=len(PATHS), max_size=len(PATHS)))
def test_confidence_never_grows_on_the_way_down(masses: list[float]) -> None:
    probabilities = np.array(masses) / sum(masses)
    levels = BackOff(PATHS, [0.5, 0.5, 0.5]).levels(probabilities)
    confidences = [level.confidence for level in levels]
    assert levels
    assert all(upper >= lower - 1e-9 for upper, lower in pairwise(confidences))
