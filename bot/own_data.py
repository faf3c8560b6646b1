"""Answers to "show me what you keep" and "delete it", given inside the Rasa server: no action server is needed."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from bot.tracker_store import DEFAULT_RETENTION_DAYS, Kept, StoreUnreachableError, serving_store

# Responses of domain.yml; the first three name {days} and, the second, what `_shown` gives.
PRIVACY, MY_DATA, FORGOTTEN = "utter_privacy", "utter_my_data", "utter_forgotten"
NO_DATA, UNREACHABLE = "utter_no_data", "utter_data_unreachable"

_KOREA = timezone(timedelta(hours=9))
_MAX_SHOWN = 60


def own_data(utter_action: str, sender_id: str) -> tuple[str, dict[str, Any]]:
    """The response that is true for this person, and the values of its placeholders; other responses pass unchanged.

    `utter_forgotten` erases the conversation. If that fails, or nothing can be read, the response says so.
    """
    if utter_action not in (PRIVACY, MY_DATA, FORGOTTEN):
        return utter_action, {}
    store = serving_store()
    days = f"{store.retention_days if store else DEFAULT_RETENTION_DAYS:g}"
    if utter_action == PRIVACY:
        return utter_action, {"days": days}
    if store is None:
        return UNREACHABLE, {}
    try:
        if utter_action == FORGOTTEN:
            store.erase(sender_id)
            return utter_action, {}
        kept = store.kept(sender_id)
    except StoreUnreachableError:
        return UNREACHABLE, {}
    return (utter_action, {"days": days, **_shown(kept)}) if kept and kept.latest else (NO_DATA, {"days": days})


def _shown(kept: Kept) -> dict[str, Any]:
    since = datetime.fromtimestamp(kept.since, _KOREA)
    lines = [" ".join(text.split()) for text in kept.latest]
    latest = "\n".join(f"· {line[: _MAX_SHOWN - 1]}…" if len(line) > _MAX_SHOWN else f"· {line}" for line in lines)
    return {"year": since.year, "month": since.month, "day": since.day, "messages": kept.messages, "latest": latest}
