"""Starting the bot: `python -m bot.serve` serves it, `python -m bot.serve --shell` talks to it in the terminal.

Either way the action server runs beside Rasa, and both are stopped again, however the other ends.
"""

from __future__ import annotations

import argparse
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import IO

import httpx

from bot.start_checks import StartError, check_shell, check_start, with_api_token

# A large encoder takes its time to load.
_START_SECONDS = 300
# Channels finish what they are answering, one after the other, then Sanic its connections, and last a human is called in.
_STOP_SECONDS = 60
# What the action server says while somebody chats in the terminal.
_SHELL_LOG = Path(".cache/actions.log")
# How often the servers are looked after.
_LOOK_SECONDS = 2


class _EndedError(RuntimeError):
    """What another start may mend."""


def main() -> int:
    """Runs the command line and returns its exit code; options it doesn't know are Rasa's."""
    parser = argparse.ArgumentParser(prog="python -m bot.serve", description=__doc__)
    parser.add_argument("--shell", action="store_true", help="talk to the bot here instead of serving it")
    parser.add_argument("--explain", action="store_true", help="with --shell: say why the bot answers as it does")
    parser.add_argument("--interface", default="127.0.0.1", help="the address Rasa listens on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=5005, help="Rasa's port (default: %(default)s)")
    parser.add_argument("--actions-port", type=int, default=5055, help="the action server's; endpoints.yml names it too")
    parser.add_argument("--connector", help=argparse.SUPPRESS)
    options, rasa_options = parser.parse_known_args()
    for ending in (signal.SIGINT, signal.SIGTERM):  # a shell that starts this in the background has it ignore SIGINT
        signal.signal(ending, _interrupt)
    try:
        if options.connector:
            raise StartError(
                "--connector leaves the limits out: name the channel in a credentials file and give it with --credentials."
            )
        if options.shell:
            return _shell(options.actions_port, options.explain, rasa_options)
        return _serve(options.interface, options.port, options.actions_port, rasa_options)
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        # systemd starts it again after 1, and not after 2, which somebody has to look into.
        return 1 if isinstance(error, _EndedError) else 2


def _serve(interface: str, port: int, actions_port: int, rasa_options: list[str]) -> int:
    check_start(with_api_token(rasa_options))
    _claim(port)
    _claim(actions_port)
    rasa = [sys.executable, "-m", "bot.quiet_rasa", "run", "--interface", interface, "--port", str(port), *rasa_options]
    with _running(rasa) as server, ExitStack() as stack:
        print("Starting Rasa and the action server …", file=sys.stderr, flush=True)
        actions = stack.enter_context(_running(_actions_command(actions_port)))
        _wait_until_healthy(actions, f"http://127.0.0.1:{actions_port}/health", "The action server")
        _wait_until_healthy(server, f"http://127.0.0.1:{port}/webhooks/health/", "Rasa")
        print(
            f"The bot answers at http://{interface}:{port}/webhooks/rest/webhook, the action server is on port {actions_port}."
            " Ctrl-C stops both.",
            file=sys.stderr,
            flush=True,
        )
        while server.poll() is None:
            if actions.poll() is not None:
                # Rasa answers without it; people only miss generated replies until it is back.
                print(
                    f"The action server ended (exit code {actions.returncode}); starting it again.", file=sys.stderr, flush=True
                )
                actions = stack.enter_context(_running(_actions_command(actions_port)))
            time.sleep(_LOOK_SECONDS)
        raise _EndedError(f"Rasa ended by itself (exit code {server.returncode}); see its lines above.")


def _shell(actions_port: int, explain: bool, rasa_options: list[str]) -> int:
    check_shell(with_api_token(rasa_options))
    # The terminal's channel is a server too; a free port lets it run beside `make serve`, whose action server then serves both.
    shell = [sys.executable, "-m", "bot.quiet_rasa", "run", "--connector", "bot.channels.terminal.TerminalInput"]
    shell += ["--interface", "127.0.0.1", "--port", str(_free_port()), *rasa_options]
    environment = {**os.environ, **({"MAEUM_EXPLAIN": "1"} if explain else {})}
    if _is_open(actions_port):
        return subprocess.call(shell, env=environment)
    _SHELL_LOG.parent.mkdir(exist_ok=True)
    with _SHELL_LOG.open("wb") as log, _running(_actions_command(actions_port), log):
        return subprocess.call(shell, env=environment)


def _actions_command(port: int) -> list[str]:
    return [sys.executable, "-m", "rasa_sdk", "--actions", "bot.actions", "--port", str(port)]


@contextmanager
def _running(command: list[str], log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own session, which a Ctrl-C doesn't reach; it is stopped on leaving, if it still runs."""
    process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """Ends the process and whatever it started."""
    for ending in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, ending)
            process.wait(timeout=_STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def _wait_until_healthy(process: subprocess.Popen[bytes], url: str, name: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            kind = _EndedError if process.returncode < 0 else RuntimeError  # killed, most often for its memory
            raise kind(f"{name} did not start (exit code {process.returncode}); see its lines above.")
        try:
            answer = httpx.get(url, timeout=2)
            if answer.is_success:
                return
            if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it listens only when it is done loading
                raise RuntimeError(f"{name} started without a model; see its lines above.")
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise _EndedError(f"{name} was not ready after {_START_SECONDS} s; see its lines above.")


def _claim(port: int) -> None:
    """Raises RuntimeError if something listens on the port already."""
    if _is_open(port):
        raise RuntimeError(f"Port {port} is in use: stop the program that listens there (another `make serve`?) and try again.")


def _is_open(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def _interrupt(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
