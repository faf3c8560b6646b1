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
from contextlib import contextmanager
from types import FrameType

import httpx

RASA_PORT = 5005
ACTIONS_PORT = 5055
# A large encoder takes its time to load.
_START_SECONDS = 300
_STOP_SECONDS = 10


def main() -> int:
    """Runs the command line and returns its exit code."""
    parser = argparse.ArgumentParser(prog="python -m bot.serve", description=__doc__)
    parser.add_argument("--shell", action="store_true", help="talk to the bot here instead of serving it")
    parser.add_argument("--interface", default="127.0.0.1", help="the address Rasa listens on (default: %(default)s)")
    options, rasa_options = parser.parse_known_args()
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.shell:
            return _shell(rasa_options)
        return _serve(options.interface, rasa_options)
    except KeyboardInterrupt:
        return 0
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return 2


def _serve(interface: str, rasa_options: list[str]) -> int:
    _claim(RASA_PORT)
    _claim(ACTIONS_PORT)
    rasa = [sys.executable, "-m", "bot.quiet_rasa", "run", "--interface", interface, "--port", str(RASA_PORT), *rasa_options]
    with _running(_actions_command()) as actions, _running(rasa) as server:
        print("Starting the action server and Rasa …", file=sys.stderr, flush=True)
        _wait_until_healthy(actions, f"http://127.0.0.1:{ACTIONS_PORT}/health", "The action server")
        _wait_until_healthy(server, f"http://127.0.0.1:{RASA_PORT}/webhooks/health/", "Rasa")
        print(
            f"The bot answers at http://{interface}:{RASA_PORT}/webhooks/rest/webhook, the action server is on port"
            f" {ACTIONS_PORT}. Ctrl-C stops both.",
            file=sys.stderr,
            flush=True,
        )
        while True:
            for process, name in ((actions, "The action server"), (server, "Rasa")):
                if process.poll() is not None:
                    raise RuntimeError(f"{name} ended by itself (exit code {process.returncode}); see its lines above.")
            time.sleep(0.5)


def _shell(rasa_options: list[str]) -> int:
    # Rasa's shell is a server too; a free port lets it run beside `make serve`.
    shell = [sys.executable, "-m", "bot.quiet_rasa", "shell", "--port", str(_free_port()), *rasa_options]
    if _is_open(ACTIONS_PORT):  # `make serve` runs: its action server serves both
        return subprocess.call(shell)
    with _running(_actions_command()):
        return subprocess.call(shell)


def _actions_command() -> list[str]:
    return [sys.executable, "-m", "rasa_sdk", "--actions", "bot.actions", "--port", str(ACTIONS_PORT)]


@contextmanager
def _running(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """The command as a process of its own session, which a Ctrl-C doesn't reach; it is stopped on leaving, if it still runs."""
    # The action server takes no authentication, so nobody else may reach it.
    process = subprocess.Popen(command, env={**os.environ, "SANIC_HOST": "127.0.0.1"}, start_new_session=True)
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
            raise RuntimeError(f"{name} did not start (exit code {process.returncode}); see its lines above.")
        try:
            if httpx.get(url, timeout=2).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    raise RuntimeError(f"{name} was not ready after {_START_SECONDS} s; see its lines above.")


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
