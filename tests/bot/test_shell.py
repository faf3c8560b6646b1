"""`python -m bot.serve --shell`, with what people type, paste and pipe into it."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

from servers import ROOT, endpoints, free_port
from test_serve import read_until

ENVIRONMENT = {**os.environ, "LOG_LEVEL": "CRITICAL", "LOG_LEVEL_LIBRARIES": "CRITICAL", "TERM": "xterm"}


def command(folder: Path, model: Path) -> list[str]:
    actions_port = free_port()
    options = ["--shell", "--actions-port", str(actions_port), "--model", str(model)]
    return [sys.executable, "-m", "bot.serve", *options, "--endpoints", str(endpoints(folder, actions_port))]


def test_any_bytes_from_a_pipe_are_answered_and_its_end_is_the_end(small_bot: Path, tmp_path: Path) -> None:
    lines = [
        "안녕하세요".encode(), b"\xff\xfe\x80", b"\x1b[31mred\x1b[0m \x1b]0;title\x07", b"", b"\x00\x1b", b"\x1b[<M\x1b[M",
        b"/restart", "가".encode() * 300_000, "고마워요".encode(),
    ]  # fmt: skip
    result = subprocess.run(
        command(tmp_path, small_bot), cwd=ROOT, input=b"\n".join(lines), capture_output=True, timeout=250, env=ENVIRONMENT
    )
    output = result.stdout.decode("utf-8")
    assert result.returncode == 0, result.stderr.decode("utf-8", "replace")
    assert output.count("긴급 구조를 할 수도 없어요") == 1, "one conversation, whatever it was told"
    assert output.count("\x1b[94m") == 1 + 7, "the notice, and an answer to each line that says something, in Rasa's colour"
    assert "title" not in output
    assert b"Traceback" not in result.stderr


def test_the_end_of_the_input_ends_it_in_a_terminal_too(small_bot: Path, tmp_path: Path) -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        command(tmp_path, small_bot), cwd=ROOT, stdin=end, stdout=end, stderr=end, env=ENVIRONMENT, start_new_session=True
    )
    os.close(end)
    try:
        read_until(terminal, "Your input")
        os.write(terminal, "고마워요\r".encode())
        read_until(terminal, "긴급 구조를 할 수도 없어요")
        read_until(terminal, "Your input")
        os.write(terminal, b"\x04")  # Ctrl-D
        assert process.wait(timeout=60) == 0
    finally:
        process.terminate()
        process.wait(timeout=60)
        os.close(terminal)
