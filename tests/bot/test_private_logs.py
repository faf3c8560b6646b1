"""What reaches a log's handlers."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest
import structlog
from no_trace import PERSONAL, traces
from rasa.core.channels.channel import UserMessage
from rasa.utils.log_utils import configure_structlog
from servers import ROOT

from bot import private_logs
from bot.safety import pseudonym as names
from bot.safety.pseudonym import pseudonym, speaker

PHONE, ADDRESS = PERSONAL["전화번호"], PERSONAL["주소"]


@pytest.fixture(autouse=True)
def _installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAEUM_SECRET", "a secret for tests alone")
    names._key.cache_clear()
    speaker.set(None)
    private_logs.install()


@pytest.mark.parametrize("personal", PERSONAL.values())
def test_messages_arguments_and_tracebacks_are_masked(personal: str, caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("rasa.anything")
    logger.error("got %s and %s", personal, {"text": [personal]})
    logger.error(json.dumps({"a": json.dumps({"b": personal})}))
    logger.error("does not fit %d", personal)
    try:
        raise ValueError(personal)
    except ValueError:
        logger.exception("failed")
    assert traces([personal], [caplog.text.encode()]) == []
    assert caplog.text.count("ValueError: [") == 1


def test_a_message_comes_in_masked_and_the_logs_of_its_turn_do_not_name_its_sender(caplog: pytest.LogCaptureFixture) -> None:
    message = UserMessage(f"제 번호는 {PHONE} 이에요 ", sender_id="kakao-4f2a-someone")
    logging.getLogger("rasa.core").error("Acquired lock for conversation 'kakao-4f2a-someone'.")
    assert message.text == "제 번호는 [전화번호] 이에요"
    assert message.sender_id == "kakao-4f2a-someone"
    assert f"'{pseudonym('kakao-4f2a-someone')}'" in caplog.text
    assert "4f2a-someone" not in caplog.text


def test_a_short_sender_id_leaves_words_whole(caplog: pytest.LogCaptureFixture) -> None:
    UserMessage("안녕", sender_id="a")
    logging.getLogger("rasa.core").error("a lock for a conversation")
    assert caplog.messages == [f"{pseudonym('a')} lock for {pseudonym('a')} conversation"]


def test_messages_without_text_pass() -> None:
    assert UserMessage(None).text is None
    assert UserMessage("").text == ""


def test_warnings_are_masked() -> None:
    code = f"import warnings; from bot import private_logs; private_logs.install(); warnings.warn('parsed {PHONE}')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "UserWarning: parsed [전화번호]" in done.stderr


def test_rasas_structured_logs_hold_no_locals_and_nothing_personal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = structlog.get_config()
    try:
        configure_structlog(logging.DEBUG)
        private_logs.install()
        kept_locally = f"비밀 이야기 {PHONE}"
        try:
            raise KeyError(ADDRESS)
        except KeyError:
            structlog.get_logger("rasa.core.channels.rest").exception("rest.message.received.failure", text=kept_locally)
    finally:
        structlog.configure(**before)
    assert "rest.message.received.failure" in caplog.text
    assert "KeyError" in caplog.text
    assert "kept_locally" not in caplog.text
    assert "비밀" not in caplog.text
    assert traces([PHONE, ADDRESS], [caplog.text.encode()]) == []
