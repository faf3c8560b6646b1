"""Why the bot answered as it did, in lines for a developer's terminal."""

from __future__ import annotations

from typing import Any

from rasa.shared.core.events import ActionExecuted, BotUttered, SlotSet, UserUttered
from rasa.shared.core.trackers import DialogueStateTracker

GENERATED = "utter_generated_reply"
_CRISIS_POLICY, _CRISIS_REPLY = "CrisisPolicy", "utter_crisis"


def explain(tracker: DialogueStateTracker) -> list[str]:
    """What the classifiers made of the last message, level by level, and how that led to the answer."""
    turn: list[Any] = []
    message: dict[str, Any] = {}
    for event in reversed(tracker.events):
        if isinstance(event, UserUttered):
            message = event.parse_data or {}
            break
        turn.insert(0, event)
    responses = [event.metadata.get("utter_action", "?") for event in turn if isinstance(event, BotUttered)]
    policies = {str(event.policy).split("_")[-1] for event in turn if isinstance(event, ActionExecuted) and event.policy}
    generated = [event.value for event in turn if isinstance(event, SlotSet) and event.key == "reply_generated"]
    return [
        f"category    {_answered(message)} {_number((message.get('intent') or {}).get('confidence'))}",
        f"levels      {_levels(message)}",
        f"crisis      {_crisis(message)}",
        f"answer      {', '.join(responses) or 'none'}",
        f"because     {_reason(message, responses, policies, bool(generated and generated[-1]))}",
    ]


def _answered(message: dict[str, Any]) -> str:
    """The category the message was taken for: the response key's, or the intent where it has none."""
    intent = str((message.get("intent") or {}).get("name"))
    selected = (message.get("response_selector") or {}).get(intent)
    key = selected["response"]["intent_response_key"] if selected else None
    return str(key).partition("/")[2] if key else intent


def _levels(message: dict[str, Any]) -> str:
    """The way down to the likeliest category, the broadest level first; "+" where it was sure enough to answer."""
    levels = [
        f"{level['category']} {_number(level['confidence'])}{' +' if level['answers'] else ''}"
        for level in message.get("category_levels") or []
    ]
    return " > ".join(levels) or "not classified"


def _crisis(message: dict[str, Any]) -> str:
    crisis = message.get("crisis")
    if not crisis:
        return "not scored by this model"
    likeliest = sorted((crisis.get("scores") or {}).items(), key=lambda pair: -pair[1])[:3]
    return f"{crisis['kind']} {_number(crisis['score'])} ({', '.join(f'{kind} {_number(score)}' for kind, score in likeliest)})"


def _reason(message: dict[str, Any], responses: list[str], policies: set[str], is_generated: bool) -> str:
    if _CRISIS_POLICY in policies or any(response.startswith(_CRISIS_REPLY) for response in responses):
        return "a crisis, in this message or since an earlier one: the reply is a written one"
    if is_generated or GENERATED in responses:
        return "no level was sure enough, and the generator had a reply"
    levels = message.get("category_levels") or []
    answered = _answered(message)
    if (message.get("intent") or {}).get("name") == "nlu_fallback":
        return "no level was sure enough, and the generator had no reply: an open question"
    if not levels:
        return "the intent, as Rasa's own classifiers found it"
    if answered == levels[-1]["category"] and levels[-1]["answers"]:
        return "the deepest level was sure enough"
    return f"backed off: {levels[-1]['category']} was not sure enough, this level was"


def _number(value: Any) -> str:
    return f"{value:.2f}" if isinstance(value, (int, float)) else "?"
