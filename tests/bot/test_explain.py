from __future__ import annotations

from typing import Any

import pytest
from rasa.shared.core.events import ActionExecuted, BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

from bot.explain import explain


def message(intent: str, *levels: tuple[str, float, bool], key: str | None = None, **more: Any) -> UserUttered:
    selector = {intent: {"response": {"intent_response_key": f"{intent}/{key}"}}} if key else {}
    ranked = [dict(zip(("category", "confidence", "answers"), level)) for level in levels]
    found = {"intent": {"name": intent, "confidence": 0.5}, "response_selector": selector, "category_levels": ranked, **more}
    return UserUttered("…", parse_data=found)


def said(action: str, policy: str = "RulePolicy") -> list[Any]:
    return [ActionExecuted(action, policy=f"policy_0_{policy}"), BotUttered("…", metadata={"utter_action": action})]


SURE = message("wellness", ("감정", 0.9, True), ("감정.걱정", 0.7, True), key="감정.걱정")
BACKED_OFF = message("wellness", ("감정", 0.9, True), ("감정.걱정", 0.2, False), key="감정")
GREETING = message("greet", ("greet", 0.9, True))
UNSURE = message("nlu_fallback", ("감정", 0.3, False))
FOUND = {"kind": "thinking", "score": 0.91, "scores": {"plan": 0.05, "thinking": 0.83, "acted": 0.01, "other": 0.0}}
CRISIS = message("crisis", key="thinking", crisis=FOUND)


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        ([SURE, *said("utter_wellness/감정.걱정")], "the deepest level was sure enough"),
        ([BACKED_OFF, *said("utter_wellness/감정")], "backed off: 감정.걱정 was not sure enough"),
        ([GREETING, *said("utter_greet")], "the deepest level was sure enough"),
        ([UNSURE, SlotSet("reply_generated", False), *said("utter_open_question")], "an open question"),
        ([UNSURE, *said("utter_generated_reply"), SlotSet("reply_generated", True)], "the generator had a reply"),
        ([CRISIS, *said("utter_crisis_thinking", "CrisisPolicy")], "a crisis"),
        ([UNSURE, *said("utter_crisis_stay", "CrisisPolicy")], "a crisis"),
    ],
)
def test_the_reason_is_named(turn: list[Any], reason: str) -> None:
    earlier = [SURE, *said("utter_wellness/감정.걱정"), SlotSet("reply_generated", True)]
    lines = explain(DialogueStateTracker.from_events("someone", [*earlier, *turn]))
    assert reason in lines[-1]


def test_every_level_is_shown_with_its_confidence() -> None:
    lines = explain(DialogueStateTracker.from_events("someone", [BACKED_OFF, *said("utter_wellness/감정")]))
    assert lines[:2] == ["category    감정 0.50", "levels      감정 0.90 + > 감정.걱정 0.20"]
    assert lines[3] == "answer      utter_wellness/감정"


def test_the_crisis_score_is_shown_where_there_is_one() -> None:
    lines = explain(DialogueStateTracker.from_events("someone", [CRISIS]))
    assert lines[2] == "crisis      thinking 0.91 (thinking 0.83, plan 0.05, acted 0.01)"
    lines = explain(DialogueStateTracker.from_events("someone", [SURE]))
    assert lines[2] == "crisis      not scored by this model"


def test_a_conversation_without_messages_is_no_error() -> None:
    assert explain(DialogueStateTracker.from_events("someone", []))
