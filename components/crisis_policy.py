"""What the bot does while a life may be at risk."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rasa.core.policies.policy import Policy, PolicyPrediction, SupportedData, confidence_scores_for
from rasa.engine.graph import ExecutionContext
from rasa.engine.recipes.default_recipe import DefaultV1Recipe
from rasa.engine.storage.resource import Resource
from rasa.engine.storage.storage import ModelStorage
from rasa.shared.core.constants import (
    ACTION_LISTEN_NAME,
    REQUESTED_SLOT,
    USER_INTENT_BACK,
    USER_INTENT_RESTART,
    USER_INTENT_SESSION_START,
)
from rasa.shared.core.domain import Domain
from rasa.shared.core.events import ActionExecuted, ActiveLoop, BotUttered, Event, SlotSet, UserUttered
from rasa.shared.core.generator import TrackerWithCachedStates
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.exceptions import RasaException

from components.crisis_answers import CUES_FILE, Answer, AnswerReader, load_cues
from components.crisis_examples import CRISIS, KINDS, OWN_KINDS, kind_of

KIND_SLOT, STAGE_SLOT = "crisis", "crisis_stage"
# The key under which a reply's ActionExecuted says what it answered: kind, stage and, if a message was a crisis, score.
METADATA = "crisis"
# The key under which a message's metadata tells that it can't answer the bot's last reply: its writer had been told something
# else since, or hadn't got that reply yet.
UNHEARD = "unheard"
# The key under which the metadata of what the bot said tells that no messenger took it.
UNSENT = "unsent"
# What the last reply of the protocol did. A yes or no is about safety only after `asked` and `returning`.
ASKED, TOLD, LISTENING, RETURNING, SAFE = "asked", "told", "listening", "returning", "safe"

_REPLY = "utter_crisis_"
_WELCOME_BACK = f"{_REPLY}welcome_back"
_BRANCHES = ("safe", "not_safe", "keep_talking", "calling", "unclear", "welcome_back")
REPLIES = tuple(f"{_REPLY}{name}" for name in (*KINDS, *_BRANCHES))
_CUES = "answers.json"


@dataclass(frozen=True)
class CrisisState:
    """Where a conversation stands in the protocol; `own_kind` is the gravest own risk told since it began."""

    kind: str
    stage: str
    own_kind: str | None = None
    # It was carried over from a session that expired, and nobody has asked about it in this one.
    carried_over: bool = False
    # Whether the messenger took the last reply.
    is_sent: bool = True


@DefaultV1Recipe.register(DefaultV1Recipe.ComponentType.POLICY_WITHOUT_END_TO_END_SUPPORT, is_trainable=True)
class CrisisPolicy(Policy):
    """Answers a message with the intent `crisis`, and every message after it until the person says that they are safe.

    It outranks every other policy and an active form, which it ends. Outside a crisis it abstains. How it goes on is told in
    `docs/crisis.md`; the replies are the responses `utter_crisis_…`, which `data/crisis.yml` holds.
    """

    @staticmethod
    def supported_data() -> SupportedData:
        return SupportedData.ML_AND_RULE_DATA

    @staticmethod
    def get_default_config() -> dict[str, Any]:
        return {
            # Above RulePolicy's 6, which an active form's predictions have.
            "priority": 7,
            # Response keys that are a crisis too, with those below them, and of which kind, should the detector not have found
            # one.
            "categories": {
                "wellness/감정.자살충동": "thinking",
                "wellness/증상.자해": "acted",
                "wellness/증상.자살시도": "acted",
                "wellness/감정.살인욕구": "harm_others",
            },
            # How sure the classifier must be of an answer to the question about safety. It is never believed in "I am safe".
            "answer_threshold": 0.25,
        }

    def __init__(
        self,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        cues: dict[str, list[str]] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(config, model_storage, resource, execution_context, **kwargs)
        self._reader = AnswerReader(cues or load_cues(), config["answer_threshold"])

    @classmethod
    def load(
        cls,
        config: dict[str, Any],
        model_storage: ModelStorage,
        resource: Resource,
        execution_context: ExecutionContext,
        **kwargs: Any,
    ) -> CrisisPolicy:
        with model_storage.read_from(resource) as folder:
            cues = json.loads((folder / _CUES).read_text(encoding="utf-8"))
        return cls(config, model_storage, resource, execution_context, cues)

    @classmethod
    def fingerprint_addon(cls, config: dict[str, Any]) -> str | None:
        """The words it reads answers by, and the module that reads them."""
        sources = (CUES_FILE, Path(__file__).with_name("crisis_answers.py"))
        return hashlib.sha256(b"\0".join(file.read_bytes() for file in sources)).hexdigest()

    def train(self, training_trackers: list[TrackerWithCachedStates], domain: Domain, **kwargs: Any) -> Resource:
        """Keeps the words it reads answers by with the model.

        Raises:
            RasaException: the domain lacks a reply or a slot, or the words can't be read.
        """
        missing = [name for name in REPLIES if name not in domain.responses]
        missing += [name for name in (KIND_SLOT, STAGE_SLOT) if name not in {slot.name for slot in domain.slots}]
        if missing:
            raise RasaException(
                f"CrisisPolicy needs these responses and slots in the domain, and it lacks them: {', '.join(missing)}. "
                "`make data` writes the responses from data/crisis.yml; the slots stand in domain.yml."
            )
        try:
            cues = load_cues()
        except ValueError as error:
            raise RasaException(str(error)) from error
        with self._model_storage.write_to(self._resource) as folder:
            (folder / _CUES).write_text(json.dumps(cues, ensure_ascii=False), encoding="utf-8")
        return self._resource

    def predict_action_probabilities(
        self,
        tracker: DialogueStateTracker,
        domain: Domain,
        rule_only_data: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> PolicyPrediction:
        if tracker.latest_action_name in REPLIES:
            ended = crisis_state(tracker) is None
            return self._says(ACTION_LISTEN_NAME, domain, _forget(tracker) if ended else [])
        message = tracker.latest_message
        if tracker.latest_action_name != ACTION_LISTEN_NAME or message is None:
            return self._abstains(domain)

        state = crisis_state(tracker)
        risk = self._risk(message)
        if risk is not None:
            kind, score = risk
            if kind in OWN_KINDS and state and state.own_kind:
                kind = max(kind, state.own_kind, key=OWN_KINDS.index)
            return self._replies(kind, kind, ASKED, tracker, domain, score)
        if state is None or message.intent_name in (USER_INTENT_RESTART, USER_INTENT_BACK, USER_INTENT_SESSION_START):
            return self._abstains(domain)
        if (message.metadata or {}).get("is_external"):  # a reminder or the like: nobody has said anything
            return self._says(ACTION_LISTEN_NAME, domain)
        return self._answers(state, message, tracker, domain)

    def _answers(
        self, state: CrisisState, message: UserUttered, tracker: DialogueStateTracker, domain: Domain
    ) -> PolicyPrediction:
        """The reply to what a person in a crisis says about being safe, or says instead."""
        # `rasa test` gives a message nothing but its intent.
        likeliest = {"name": message.intent_name, "confidence": message.intent.get("confidence") or 1.0}
        answer = self._reader.read(message.text or "", message.parse_data.get("intent_ranking") or [likeliest])
        has_heard = state.is_sent and not state.carried_over and not (message.metadata or {}).get(UNHEARD)
        if answer in (Answer.YES, Answer.NO):
            was_asked = state.stage in (ASKED, RETURNING) and has_heard
            about_safety = Answer.SAFE if answer is Answer.YES else Answer.NOT_SAFE
            answer = about_safety if was_asked else Answer.UNCLEAR
        if answer is Answer.UNCLEAR and state.stage == RETURNING:
            if has_heard:
                return self._abstains(domain, _forget(tracker))
            return self._replies("welcome_back", state.kind, RETURNING, tracker, domain)
        if answer is Answer.SOMEONE_ELSE:
            return self._replies("other_person", "other_person", ASKED, tracker, domain)
        stage = {Answer.SAFE: SAFE, Answer.UNCLEAR: ASKED, Answer.KEEP_TALKING: LISTENING}.get(answer, TOLD)
        return self._replies(answer.value, state.kind, stage, tracker, domain)

    def _risk(self, message: UserUttered) -> tuple[str, float] | None:
        """The kind and score of a message that is a crisis."""
        confidence = float(message.intent.get("confidence") or 0.0)
        key = str(message.full_retrieval_intent_name or "")
        if message.intent_name != CRISIS:
            kind = kind_of(key, self.config["categories"])
            return (kind, confidence) if kind else None
        detected: dict[str, Any] = message.parse_data.get(CRISIS) or {}
        selected = ((message.parse_data.get("response_selector") or {}).get(CRISIS) or {}).get("response") or {}
        kinds = (detected.get("kind"), key.partition("/")[2], str(selected.get("intent_response_key")).partition("/")[2])
        # Better a reply of the wrong kind than none.
        kind = next((kind for kind in kinds if kind in KINDS), OWN_KINDS[0])
        return kind, float(detected.get("score") or confidence)

    def _replies(
        self,
        reply: str,
        kind: str,
        stage: str,
        tracker: DialogueStateTracker,
        domain: Domain,
        score: float | None = None,
    ) -> PolicyPrediction:
        told = {"kind": kind, "stage": stage} | ({} if score is None else {"score": score})
        events = [SlotSet(KIND_SLOT, kind), SlotSet(STAGE_SLOT, stage), *_end_form(tracker, domain)]
        return self._says(f"{_REPLY}{reply}", domain, events, {METADATA: told})

    def _says(
        self, action: str, domain: Domain, events: list[Event] | None = None, metadata: dict[str, Any] | None = None
    ) -> PolicyPrediction:
        return self._prediction(
            confidence_scores_for(action, 1.0, domain),
            optional_events=events,
            # As if no user had spoken: what a form predicts for itself would otherwise come first.
            is_no_user_prediction=True,
            action_metadata=metadata,
        )

    def _abstains(self, domain: Domain, events: list[Event] | None = None) -> PolicyPrediction:
        return self._prediction(self._default_predictions(domain), events=events)


def crisis_state(tracker: DialogueStateTracker) -> CrisisState | None:
    """Where the conversation stands; None outside a crisis.

    It is read from the replies that were given, because `rasa test` applies no slots; only what an earlier session left is
    read from the slots.
    """
    told: list[dict[str, Any]] = []
    turns_since, is_sent = 0, True
    for event in tracker.applied_events():
        if isinstance(event, ActionExecuted) and METADATA in (event.metadata or {}):
            told.append(event.metadata[METADATA])
            turns_since, is_sent = 0, True
        elif isinstance(event, UserUttered):
            turns_since += 1
        elif isinstance(event, BotUttered) and event.metadata.get(UNSENT):
            is_sent = False
    if not told:
        kind = tracker.slots[KIND_SLOT].value if KIND_SLOT in tracker.slots else None
        return CrisisState(kind, RETURNING, kind if kind in OWN_KINDS else None, carried_over=True) if kind in KINDS else None
    last = told[-1]
    if last["stage"] == SAFE or (last["stage"] == RETURNING and turns_since > 1):
        return None
    ends = [position for position, reply in enumerate(told) if reply["stage"] == SAFE]
    own = [reply["kind"] for reply in told[ends[-1] + 1 if ends else 0 :] if reply["kind"] in OWN_KINDS]
    return CrisisState(last["kind"], last["stage"], max(own, key=OWN_KINDS.index, default=None), is_sent=is_sent)


def _end_form(tracker: DialogueStateTracker, domain: Domain) -> list[Event]:
    """Events that end the active form, and take back what it has kept of this message."""
    if not tracker.active_loop_name:
        return []
    slots = domain.required_slots_for_form(tracker.active_loop_name) or []
    kept: dict[str, Any] = {}  # from earlier messages
    filled: dict[str, Any] = {}  # from this one
    for event in tracker.applied_events():
        if isinstance(event, UserUttered):
            kept |= filled
            filled = {}
        elif isinstance(event, SlotSet) and event.key in slots:
            filled[event.key] = event.value
    restored: list[Event] = [SlotSet(key, kept.get(key)) for key in filled]
    return [*restored, SlotSet(REQUESTED_SLOT, None), ActiveLoop(None)]


def _forget(tracker: DialogueStateTracker) -> list[Event]:
    return [SlotSet(name, None) for name in (KIND_SLOT, STAGE_SLOT) if name in tracker.slots]
