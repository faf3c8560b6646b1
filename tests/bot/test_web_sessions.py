"""The session tokens of the web chat."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.web.sessions import Sessions, session_key

SESSIONS = Sessions(b"k" * 32)


def test_a_token_is_for_one_conversation_and_each_for_another() -> None:
    tokens = {SESSIONS.issue() for _ in range(100)}
    senders = [SESSIONS.sender_id(token) for token in tokens]
    assert len(set(senders)) == 100
    assert None not in senders
    assert all(sender == Sessions(b"k" * 32).sender_id(token) for token, sender in zip(tokens, senders)), "after a restart too"
    assert all(Sessions(b"l" * 32).sender_id(token) is None for token in tokens)


@given(
    st.one_of(st.text(), st.binary(), st.integers(), st.none(), st.from_regex(r"[0-9a-f]{32}\.[0-9a-f]{64}", fullmatch=True))
)
def test_what_was_not_issued_is_nobodys(token: object) -> None:
    assert SESSIONS.sender_id(token) is None


@given(st.integers(0, 96), st.characters())
def test_a_token_with_one_character_changed_is_nobodys(position: int, character: str) -> None:
    token = SESSIONS.issue()
    changed = token[:position] + character + token[position + 1 :]
    assert (SESSIONS.sender_id(changed) is None) == (changed != token)


def test_the_key_is_made_once_and_for_its_owner_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAEUM_WEB_KEY", raising=False)
    file = tmp_path / "new" / "web.key"
    key = session_key(file)
    assert len(key) >= 32
    assert session_key(file) == key
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_a_key_that_cannot_be_kept_still_serves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MAEUM_WEB_KEY", raising=False)
    (tmp_path / "file").write_text("")
    assert session_key(tmp_path / "file" / "web.key") != session_key(tmp_path / "file" / "web.key")


def test_the_environments_key_comes_first_and_must_be_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_WEB_KEY", "s" * 32)
    assert session_key(tmp_path / "web.key") == b"s" * 32
    assert not (tmp_path / "web.key").exists()
    monkeypatch.setenv("MAEUM_WEB_KEY", "short")
    with pytest.raises(ValueError, match="MAEUM_WEB_KEY"):
        session_key(tmp_path / "web.key")
