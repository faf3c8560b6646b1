"""The action server, alone: who may call it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from servers import ROOT, free_port, running

CALL = {"next_action": "no_such_action", "sender_id": "a", "tracker": {}, "domain": {}}


@pytest.fixture(scope="module")
def open_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an action server that nobody gave a token."""
    port = free_port()
    command = ["rasa_sdk", "--actions", "bot.actions", "--port", str(port)]
    log = tmp_path_factory.mktemp("actions") / "actions.log"
    with running(command, f"http://127.0.0.1:{port}/health", log) as process:
        assert {each.laddr.ip for each in psutil.Process(process.pid).connections("tcp")} == {"127.0.0.1"}
        yield f"http://127.0.0.1:{port}"


def test_this_machine_is_served(open_server: str) -> None:
    assert httpx.get(f"{open_server}/actions").is_success
    assert httpx.post(f"{open_server}/webhook", json=CALL).status_code == 404, "it looked for the action"


def test_a_web_page_open_on_this_machine_is_not(open_server: str) -> None:
    rebound = httpx.post(f"{open_server}/webhook", json=CALL, headers={"Host": "evil.example:5055"})
    assert rebound.status_code == 403
    assert httpx.post(f"{open_server}/webhook", content=b"{}", headers={"Content-Type": "text/plain"}).status_code == 415
    foreign = httpx.get(f"{open_server}/actions", headers={"Origin": "https://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers


def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = ["rasa_sdk", "--actions", "bot.actions", "--port", str(port)]
    with running(command, f"{url}/health", tmp_path / "actions.log", MAEUM_ACTION_TOKEN="long-and-random"):
        assert httpx.post(f"{url}/webhook", json=CALL).status_code == 401
        assert httpx.post(f"{url}/webhook", json=CALL, headers={"Authorization": "Bearer wrong"}).status_code == 401
        assert httpx.get(f"{url}/actions").status_code == 401
        assert httpx.post(f"{url}/webhook", json=CALL, headers={"Authorization": "Bearer long-and-random"}).status_code == 404


def test_other_machines_are_not_let_in_without_a_token() -> None:
    command = [sys.executable, "-m", "rasa_sdk", "--actions", "bot.actions", "--port", str(free_port())]
    process = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=120, env={**os.environ, "SANIC_HOST": "0.0.0.0"})
    assert process.returncode == 2
    *_, sentence = process.stderr.decode().strip().splitlines()
    assert "MAEUM_ACTION_TOKEN" in sentence
