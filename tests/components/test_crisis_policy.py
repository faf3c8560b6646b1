"""The policy in a trained bot's ensemble, beside RulePolicy and a form, on messages whose intents are given."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import rasa.model_training
import yaml
from crisis_bot import KINDS, ROOT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rasa.core.actions.action import ActionSessionStart
from rasa.core.agent import Agent
from rasa.core.channels.channel import CollectingOutputChannel
from rasa.core.processor import MessageProcessor
from rasa.shared.core.events import ActionExecuted, ActiveLoop, BotUttered, Restarted, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException

OWN = KINDS[:3]
ORDINARY = ["greet", "goodbye", "thanks", "help", "bot_challenge", "nlu_fallback", "wellness/증상.불면", "start_diary"]
ANSWERS = ["affirm", "deny", "crisis_safe", "crisis_not_safe", "keep_talking", "about_someone_else"]
# After these, the next turn may be an ordinary one.
ENDS = ("utter_crisis_safe", "utter_crisis_welcome_back")
TEXTS = {
    "affirm": "네", "deny": "아니요", "crisis_safe": "네, 안전해요", "crisis_not_safe": "안전하지 않아요",
    "keep_talking": "더 이야기하고 싶어요", "about_someone_else": "제 얘기가 아니라 친구 얘기예요",
}  # fmt: skip


class Dialogue:
    """A conversation with the real ensemble; nothing is said, because only actions are looked at."""

    def __init__(self, processor: MessageProcessor) -> None:
        self._processor = processor
        self._domain = processor.domain
        self.tracker = DialogueStateTracker.from_events("someone", [], self._domain.slots, domain=self._domain)
        self.new_session()

    def new_session(self) -> None:
        events = asyncio.run(
            ActionSessionStart().run(CollectingOutputChannel(), self._processor.nlg, self.tracker, self._domain)
        )
        self.tracker.update_with_events(events, self._domain)

    def say(self, intent: str, text: str | None = None, kind: str | None = None, **metadata: Any) -> list[str]:
        """The actions that follow, without `action_listen`."""
        name, _, key = intent.partition("/")
        parsed: dict[str, Any] = {"intent": {"name": name, "confidence": 0.9}, "entities": []}
        if key:
            parsed["intent"]["full_retrieval_intent_name"] = intent
        if kind:
            parsed["crisis"] = {"kind": kind, "score": 0.8, "scores": {kind: 0.8}}
        text = text or TEXTS.get(name, "…")
        message = UserUttered(text, parsed["intent"], [], parsed, metadata=metadata)
        self.tracker.update(message, self._domain)
        loop = self.tracker.active_loop_name
        if loop and self.tracker.get_slot("requested_slot"):  # as action_extract_slots does
            self.tracker.update(SlotSet(self.tracker.get_slot("requested_slot"), text), self._domain)
        actions: list[str] = []
        while True:
            action, prediction = self._processor.predict_next_with_tracker_if_should(self.tracker)
            self.tracker.update_with_events(prediction.events, self._domain)
            self.tracker.update(action.event_for_successful_execution(prediction), self._domain)
            if action.name() == "action_listen":
                return actions
            actions.append(action.name())
            if action.name() == "diary_form":
                events = [ActiveLoop("diary_form"), SlotSet("requested_slot", "mood")]
                self.tracker.update_with_events(events, self._domain)
            if action.name() == "action_restart":
                self.tracker.update(Restarted(), self._domain)
                self.new_session()
                return actions
            if action.name() == "action_generate_reply":
                self.tracker.update(SlotSet("reply_generated", True), self._domain)
            assert len(actions) < 5

    @property
    def kind(self) -> Any:
        return self.tracker.get_slot("crisis")


@pytest.fixture(scope="module")
def processor(crisis_model: Path) -> MessageProcessor:
    agent = Agent.load(str(crisis_model))
    assert agent.processor is not None
    return agent.processor


@pytest.fixture
def dialogue(processor: MessageProcessor) -> Dialogue:
    return Dialogue(processor)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gets_its_reply_in_the_first_turn_however_the_kind_is_told(processor: MessageProcessor, kind: str) -> None:
    assert Dialogue(processor).say(f"crisis/{kind}") == [f"utter_crisis_{kind}"]
    dialogue = Dialogue(processor)
    assert dialogue.say("crisis", kind=kind) == [f"utter_crisis_{kind}"]
    assert dialogue.kind == kind
    told = [
        event.metadata["crisis"] for event in dialogue.tracker.events if isinstance(event, ActionExecuted) and event.metadata
    ]
    assert told == [{"kind": kind, "stage": "asked", "score": 0.8}]


def test_a_crisis_of_no_kind_is_answered_all_the_same(dialogue: Dialogue) -> None:
    assert dialogue.say("crisis") == ["utter_crisis_thinking"]


def test_a_crisis_category_of_the_dataset_begins_the_protocol_too(dialogue: Dialogue) -> None:
    assert dialogue.say("wellness/감정.자살충동") == ["utter_crisis_thinking"]
    assert dialogue.say("crisis_safe") == ["utter_crisis_safe"]
    assert dialogue.say("wellness/증상.자해.반복") == ["utter_crisis_acted"]
    assert dialogue.say("wellness/증상.불면") == ["utter_crisis_unclear"]


def test_it_ends_an_active_form_and_takes_back_what_the_form_kept(dialogue: Dialogue) -> None:
    assert dialogue.say("start_diary") == ["diary_form"]
    assert dialogue.tracker.active_loop_name == "diary_form"
    dialogue.tracker.update(SlotSet("mood", "어제"))
    assert dialogue.say("crisis/acted", "약을 먹었어요") == ["utter_crisis_acted"]
    assert dialogue.tracker.active_loop_name is None
    assert dialogue.tracker.get_slot("requested_slot") is None
    assert dialogue.tracker.get_slot("mood") == "어제"
    assert dialogue.say("crisis_safe") == ["utter_crisis_safe"]
    assert dialogue.say("start_diary") == ["diary_form"]


def test_a_graver_kind_goes_up_and_a_lesser_one_of_the_same_person_does_not_go_down(dialogue: Dialogue) -> None:
    replies = [dialogue.say(f"crisis/{kind}")[0] for kind in ("thinking", "acted", "thinking", "other_person", "plan")]
    assert replies == [f"utter_crisis_{kind}" for kind in ("thinking", "acted", "acted", "other_person", "acted")]


def test_after_safe_a_lesser_crisis_begins_anew(dialogue: Dialogue) -> None:
    dialogue.say("crisis/acted")
    assert dialogue.say("crisis_safe") == ["utter_crisis_safe"]
    assert dialogue.kind is None
    assert dialogue.say("affirm") == ["utter_affirm"]
    assert dialogue.say("crisis/thinking") == ["utter_crisis_thinking"]


def test_yes_is_safe_only_where_the_bot_has_asked(dialogue: Dialogue) -> None:
    dialogue.say("crisis/plan")
    assert dialogue.say("deny") == ["utter_crisis_not_safe"]
    assert dialogue.say("affirm") == ["utter_crisis_unclear"]
    assert dialogue.say("keep_talking") == ["utter_crisis_keep_talking"]
    assert dialogue.say("affirm") == ["utter_crisis_unclear"]
    assert dialogue.say("affirm") == ["utter_crisis_safe"]


def test_yes_is_not_safe_where_the_person_has_not_read_the_question_or_answers_something_else(dialogue: Dialogue) -> None:
    dialogue.say("crisis/thinking")
    assert dialogue.say("affirm", unheard=True) == ["utter_crisis_unclear"]
    assert dialogue.say("deny", unheard=True) == ["utter_crisis_unclear"]
    dialogue.tracker.update(BotUttered("지금 안전하신가요?", metadata={"unsent": True}))
    assert dialogue.say("affirm") == ["utter_crisis_unclear"]
    assert dialogue.say("crisis_safe", unheard=True) == ["utter_crisis_safe"]


def test_who_has_not_read_the_welcome_is_asked_again(dialogue: Dialogue) -> None:
    dialogue.say("crisis/thinking")
    dialogue.new_session()
    assert dialogue.say("greet") == ["utter_crisis_welcome_back"]
    assert dialogue.say("affirm", unheard=True) == ["utter_crisis_welcome_back"]
    assert dialogue.say("deny") == ["utter_crisis_not_safe"]


def test_a_reminder_breaks_into_no_crisis(dialogue: Dialogue) -> None:
    dialogue.say("crisis/thinking")
    assert dialogue.say("greet", is_external=True) == []
    assert dialogue.say("affirm") == ["utter_crisis_safe"]


def test_after_the_session_expired_a_person_is_greeted_with_care_once_and_held_no_longer(dialogue: Dialogue) -> None:
    dialogue.say("crisis/acted")
    dialogue.new_session()
    assert dialogue.kind == "acted"
    assert dialogue.say("affirm") == ["utter_crisis_welcome_back"], "a yes after an hour answers nothing"
    assert dialogue.say("wellness/증상.불면") == ["utter_wellness"]
    assert dialogue.kind is None
    assert dialogue.say("affirm") == ["utter_affirm"]
    dialogue.new_session()


def test_after_the_session_expired_who_is_still_in_danger_is_in_the_protocol_again(dialogue: Dialogue) -> None:
    dialogue.say("crisis/thinking")
    dialogue.new_session()
    dialogue.say("greet")
    assert dialogue.say("deny") == ["utter_crisis_not_safe"]
    assert dialogue.say("wellness/증상.불면") == ["utter_crisis_unclear"]
    dialogue.new_session()
    assert dialogue.say("crisis_safe") == ["utter_crisis_safe"]
    dialogue.new_session()


def test_a_restart_ends_it_and_the_next_crisis_is_answered(dialogue: Dialogue) -> None:
    dialogue.say("crisis/thinking")
    assert dialogue.say("restart") == ["action_restart"]
    assert dialogue.say("crisis/plan") == ["utter_crisis_plan"]


turns = st.one_of(
    st.sampled_from(KINDS).map(lambda kind: f"crisis/{kind}"), st.sampled_from(ORDINARY + ANSWERS), st.just("NEW SESSION")
)  # fmt: skip


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sequence=st.lists(turns, max_size=10))
def test_whatever_is_said_a_crisis_gets_its_reply_and_the_generator_is_silent_until_safe(
    processor: MessageProcessor, sequence: list[str]
) -> None:
    dialogue = Dialogue(processor)
    own: list[str] = []  # what the person has told of themselves since they were last safe
    open_crisis = False
    for turn in sequence:
        if turn == "NEW SESSION":
            dialogue.new_session()
            own, open_crisis = [kind for kind in OWN if kind == dialogue.kind], False
            continue
        carried_over = dialogue.kind is not None and not open_crisis
        actions = dialogue.say(turn)
        intent, _, kind = turn.partition("/")
        if intent == "crisis":
            # What an earlier session told is forgotten once this one is about somebody else.
            own = [*own, kind] if kind in OWN else [] if carried_over else own
            assert actions == [f"utter_crisis_{max(own, key=OWN.index) if kind in OWN else kind}"]
            open_crisis = True
        elif open_crisis:
            (action,) = actions
            assert action.startswith("utter_crisis_")
            if action == "utter_crisis_safe":
                assert turn in ("affirm", "crisis_safe")
                open_crisis = False
        elif carried_over:
            assert len(actions) >= 1
            open_crisis = actions[0].startswith("utter_crisis_") and actions[0] not in ENDS
        else:
            assert not any(action.startswith("utter_crisis_") for action in actions)
        if dialogue.kind is None:
            own = []


def test_without_its_replies_training_stops_with_a_sentence(tmp_path: Path) -> None:
    intents = ("greet", "deny")
    data = {
        "version": "3.1",
        "nlu": [{"intent": intent, "examples": f"- {intent}\n- {intent}?\n"} for intent in intents],
        "rules": [{"rule": "A greeting", "steps": [{"intent": "greet"}, {"action": "utter_greet"}]}],
    }
    domain = {"version": "3.1", "intents": list(intents), "responses": {"utter_greet": [{"text": "안녕"}]}}
    for name, content in (("data.yml", data), ("domain.yml", domain)):
        (tmp_path / name).write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    with pytest.raises(RasaException, match="utter_crisis_thinking"):
        rasa.model_training.train_core(
            str(tmp_path / "domain.yml"),
            str(ROOT / "tests" / "configs" / "crisis.yml"),
            str(tmp_path / "data.yml"),
            str(tmp_path / "models"),
        )
