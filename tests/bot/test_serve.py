"""`python -m bot.serve`, which `make serve` and `make chat` call."""

from __future__ import annotations

import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from servers import MODEL, ROOT, Conversation, endpoints, free_port


def serve(folder: Path, port: int, actions_port: int) -> subprocess.Popen[bytes]:
    """The command, started; its output goes to `serve.log` in `folder`."""
    options = ["--port", str(port), "--actions-port", str(actions_port), "--model", str(MODEL)]
    options += ["--endpoints", str(endpoints(folder, actions_port))]
    with (folder / "serve.log").open("ab") as log:
        return subprocess.Popen([sys.executable, "-m", "bot.serve", *options], cwd=ROOT, stdout=log, stderr=log)


def wait_for_line(file: Path, line: str, times: int = 1) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        if file.exists() and file.read_text(encoding="utf-8", errors="replace").count(line) >= times:
            return
        time.sleep(0.2)
    raise AssertionError(f"no {line!r} in {file.read_text(encoding='utf-8', errors='replace')[-3000:]}")


def is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def test_serving_answers_survives_its_action_server_and_stops_whole_and_goes_on_where_it_was(tmp_path: Path) -> None:
    port, actions_port = free_port(), free_port()
    conversation = Conversation(port, "someone")

    process = serve(tmp_path, port, actions_port)
    wait_for_line(tmp_path / "serve.log", "The bot answers")
    assert len(conversation.say("안녕하세요")) == 2, "an answer and the notice"
    children = psutil.Process(process.pid).children(recursive=True)
    actions = next(child for child in children if "rasa_sdk" in child.cmdline())
    assert {connection.laddr.ip for connection in actions.connections("tcp")} == {"127.0.0.1"}
    actions.kill()
    wait_for_line(tmp_path / "serve.log", "starting it again")
    wait_for_line(tmp_path / "serve.log", "Action endpoint is up", times=2)
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    assert not is_open(port)
    assert not is_open(actions_port)

    process = serve(tmp_path, port, actions_port)
    wait_for_line(tmp_path / "serve.log", "The bot answers", times=2)
    try:
        assert len(conversation.say("밤에 잠이 안 와요")) == 1, "the conversation went on, so the notice isn't said again"
    finally:
        process.terminate()
        assert process.wait(timeout=60) == 0
    assert not is_open(port)


def test_a_rasa_that_is_killed_is_for_systemd_to_start_again(
    small_bot: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("test_serve.MODEL", small_bot)
    for line, sentence in (("Starting Rasa", "Rasa did not start"), ("The bot answers", "Rasa ended by itself")):
        process = serve(tmp_path, free_port(), free_port())
        wait_for_line(tmp_path / "serve.log", line)
        while not (rasa := [child for child in psutil.Process(process.pid).children() if "bot.quiet_rasa" in child.cmdline()]):
            time.sleep(0.1)
        rasa[0].kill()
        assert process.wait(timeout=60) == 1, "2 is what systemd leaves alone"
        assert f"{sentence} (exit code -9)" in (tmp_path / "serve.log").read_text(encoding="utf-8")
        (tmp_path / "serve.log").unlink()


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        process = serve(tmp_path, port, free_port())
        assert process.wait(timeout=60) == 2
    output = (tmp_path / "serve.log").read_text(encoding="utf-8")
    assert output.startswith(f"Port {port} is in use: ")
    assert output.count("\n") == 1


OPEN = {
    "--enable-api": ({}, "MAEUM_API_TOKEN"),
    "--remote-storage=aws": ({}, "MAEUM_REMOTE_MODELS"),
    "--debug": ({"MAEUM_INTENT_MESSAGES": "1"}, "MAEUM_INTENT_MESSAGES"),
}


@pytest.mark.parametrize("option", OPEN)
@pytest.mark.parametrize("program", ["bot.serve", "rasa run"])
def test_a_start_that_strangers_could_use_is_refused_in_one_sentence(program: str, option: str) -> None:
    environment, variable = OPEN[option]
    result = subprocess.run(
        [sys.executable, "-m", *program.split(), option], cwd=ROOT, capture_output=True, timeout=170,
        env={**os.environ, **environment},
    )  # fmt: skip
    assert result.returncode == 2
    *others, sentence = result.stderr.decode("utf-8").strip().splitlines()
    assert variable in sentence
    assert sentence.endswith(".")
    assert program != "bot.serve" or others == []


@pytest.mark.parametrize("option", ["--enable-api", "--remote-storage=aws"])
@pytest.mark.parametrize("program", ["bot.serve --shell", "rasa run --connector bot.channels.terminal.TerminalInput"])
def test_neither_does_the_terminal_open_anything(program: str, option: str) -> None:
    result = subprocess.run([sys.executable, "-m", *program.split(), option], cwd=ROOT, capture_output=True, timeout=170)
    assert result.returncode == 2
    assert OPEN[option][1] in result.stderr.decode("utf-8").strip().splitlines()[-1]


@pytest.mark.parametrize("options", [[], ["--shell"]])
def test_no_connector_takes_the_place_of_the_channels_and_their_limits(options: list[str]) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "bot.serve", *options, "--connector", "rest"], cwd=ROOT, capture_output=True, timeout=60
    )
    assert result.returncode == 2
    assert result.stderr.decode("utf-8").startswith("--connector leaves the limits out")


def test_a_token_that_plain_rasa_does_not_read_does_not_open_the_api() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "rasa", "run", "--port", str(free_port()), "--enable-api"], cwd=ROOT, capture_output=True,
        timeout=170, env={**os.environ, "MAEUM_API_TOKEN": "long-and-random"},
    )  # fmt: skip
    assert result.returncode == 2
    assert "--auth-token" in result.stderr.decode("utf-8").strip().splitlines()[-1]


def test_a_model_that_does_not_load_is_not_called_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "broken.tar.gz"
    broken.write_bytes(b"no model")
    monkeypatch.setattr("test_serve.MODEL", broken)
    assert serve(tmp_path, free_port(), free_port()).wait(timeout=120) == 2
    output = (tmp_path / "serve.log").read_text(encoding="utf-8")
    assert "Rasa started without a model" in output
    assert "The bot answers" not in output


@contextmanager
def terminal_of(command: list[str], folder: Path) -> Iterator[tuple[int, subprocess.Popen[bytes], int]]:
    """A command that talks in a terminal: the terminal, the process, and the port of its action server."""
    actions_port = free_port()
    options = ["--model", str(MODEL), "--endpoints", str(endpoints(folder, actions_port))]
    options += ["--actions-port", str(actions_port)] if command[0] == "bot.serve" else ["--port", str(free_port())]
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", *command, *options], cwd=ROOT, stdin=end, stdout=end, stderr=end,
        env={**os.environ, "LOG_LEVEL": "ERROR", "LOG_LEVEL_LIBRARIES": "ERROR", "TERM": "xterm"}, start_new_session=True,
    )  # fmt: skip
    os.close(end)
    try:
        yield terminal, process, actions_port
    finally:
        os.close(terminal)
        process.terminate()
        process.wait(timeout=60)


@pytest.mark.parametrize("command", [["bot.serve", "--shell"], ["bot.quiet_rasa", "shell"]], ids=["make chat", "rasa shell"])
def test_the_shell_answers_in_korean_without_noise_and_leaves_nothing_running(command: list[str], tmp_path: Path) -> None:
    with terminal_of(command, tmp_path) as (terminal, process, actions_port):
        output = read_until(terminal, "Your input")
        os.write(terminal, "밤에 잠이 안 와요\r".encode())
        output += read_until(terminal, "긴급 구조를 할 수도 없어요")
        output += read_until(terminal, "Your input")
        os.write(terminal, b"/stop\r")
        assert process.wait(timeout=60) == 0
    assert not is_open(actions_port)
    assert "Warning" not in output
    assert "Traceback" not in output
    assert "because" not in output


def test_the_shell_says_why_it_answers_so_when_asked(tmp_path: Path) -> None:
    with terminal_of(["bot.serve", "--shell", "--explain"], tmp_path) as (terminal, process, _):
        read_until(terminal, "Your input")
        for message, reason in (
            ("밤에 잠이 안 와요", "sure enough"),
            ("양자역학 슈뢰딩거 방정식 풀이", "no level was sure enough"),
        ):
            os.write(terminal, f"{message}\r".encode())
            explanation = read_until(terminal, "because")
            explanation += read_until(terminal, "Your input")
            assert reason in explanation
            assert re.search(r"category +\S+ \d\.\d\d", explanation)
            assert re.search(r"levels +\S+ \d\.\d\d", explanation)
            assert re.search(r"crisis +\S+", explanation)
            assert re.search(r"answer +utter_", explanation)
        os.write(terminal, b"/stop\r")
        assert process.wait(timeout=60) == 0


def read_until(terminal: int, text: str) -> str:
    """What the terminal shows up to `text`; answers a cursor-position query as a terminal does."""
    output = b""
    deadline = time.monotonic() + 240
    os.set_blocking(terminal, False)
    while text not in output.decode(errors="replace"):
        assert time.monotonic() < deadline, f"no {text!r} in {output.decode(errors='replace')}"
        try:
            chunk = os.read(terminal, 65536)
        except BlockingIOError:
            time.sleep(0.1)
            continue
        output += chunk
        if b"\x1b[6n" in chunk:
            os.write(terminal, b"\x1b[1;1R")
    return output.decode(errors="replace")
