from __future__ import annotations

from pathlib import Path

import pytest

from bot.start_checks import StartError, check_shell, check_start, with_api_token

ROOT = Path(__file__).parents[2]


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    """Options that name a credentials and an endpoints file, in which nothing is wrong yet."""
    (tmp_path / "credentials.yml").write_text("rest:\n", encoding="utf-8")
    (tmp_path / "endpoints.yml").write_text("action_endpoint: {url: http://127.0.0.1:5055/webhook}\n", encoding="utf-8")
    return ["--credentials", str(tmp_path / "credentials.yml"), "--endpoints", str(tmp_path / "endpoints.yml")]


def refusal(arguments: list[str], environment: dict[str, str] | None = None) -> str:
    with pytest.raises(StartError) as raised:
        check_start(arguments, environment or {})
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_the_bot_as_it_comes_may_start() -> None:
    check_start(
        ["--credentials", str(ROOT / "credentials.yml"), "--endpoints", str(ROOT / "endpoints.yml")], {"MAEUM_SECRET": "x"}
    )


def test_the_api_needs_a_token(files: list[str]) -> None:
    assert "MAEUM_API_TOKEN" in refusal([*files, "--enable-api"])
    assert "MAEUM_API_TOKEN" in refusal([*files, "--enable-a"]), "as Rasa takes it, too"
    assert "--auth-token" in refusal([*files, "--enable-api"], {"MAEUM_API_TOKEN": "which Rasa never reads"})
    check_start([*files, "--enable-api", "-t", "long and random"], {})
    check_start([*files, "--enable-api", "--jwt-secret", "long and random"], {})


@pytest.mark.parametrize("option", ["--enable-api", "--enable-a"])
def test_rasa_is_given_the_token_of_the_environment_where_the_api_is_open(files: list[str], option: str) -> None:
    arguments = with_api_token([*files, option], {"MAEUM_API_TOKEN": "-long and random"})
    assert arguments == [*files, option, "--auth-token=-long and random"]
    check_start(arguments, {})
    assert with_api_token([*files, option], {"MAEUM_API_TOKEN": ""}) == [*files, option]
    assert with_api_token(files, {"MAEUM_API_TOKEN": "long and random"}) == files


def test_a_secret_that_a_channel_needs_must_be_there(files: list[str]) -> None:
    Path(files[1]).write_text("slack:\n  slack_token: ${SLACK_TOKEN}\n  secrets: [x, 'a ${OTHER} b']\n", encoding="utf-8")
    sentence = refusal(files)
    assert all(part in sentence for part in (files[1], "SLACK_TOKEN", "OTHER"))
    assert "SLACK_TOKEN" not in refusal(files, {"SLACK_TOKEN": "x"})
    check_start(files, {"SLACK_TOKEN": "x", "OTHER": "y"})


def test_nobody_is_served_while_commands_are_allowed(files: list[str]) -> None:
    assert "rasa shell" in refusal(files, {"MAEUM_INTENT_MESSAGES": "1"})
    check_start(files, {"MAEUM_INTENT_MESSAGES": "0"})
    check_shell(files, {"MAEUM_INTENT_MESSAGES": "1"})


def test_a_model_comes_from_this_machine_unless_told_otherwise(files: list[str]) -> None:
    assert "--remote-storage" in refusal([*files, "--remote-storage", "aws"])
    Path(files[3]).write_text("models: {url: 'http://elsewhere/models/1'}\n", encoding="utf-8")
    assert "endpoints.yml" in refusal(files)
    check_start([*files, "--remote-storage", "aws"], {"MAEUM_REMOTE_MODELS": "1"})


@pytest.mark.parametrize("content", ["", "[]", "x", "models: 5", ": : :", "\x00", "models: []"])
def test_odd_files_are_left_to_rasa(files: list[str], content: str) -> None:
    Path(files[3]).write_text(content, encoding="utf-8")
    check_start(files, {})
