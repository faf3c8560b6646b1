"""The bot behind nginx, with the configuration that docs/nginx.conf proposes."""

from __future__ import annotations

import asyncio
import json
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from pathlib import Path

import httpx
import pytest
from servers import ROOT, endpoints, free_port, running
from socket_client import SOCKET
from websockets.legacy.client import connect

from bot.channels.gate import refusals

PER_ADDRESS = 8


@pytest.fixture(scope="module")
def nginx() -> str:
    subprocess.run([str(ROOT / "scripts" / "test_tools.sh")], check=True, timeout=300)
    path = shutil.which("nginx") or "/usr/sbin/nginx"
    assert Path(path).exists()
    return path


@pytest.fixture(scope="module")
def site(nginx: str, small_bot: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of nginx, behind which Rasa believes one proxy."""
    folder = tmp_path_factory.mktemp("nginx")
    rasa_port, http, https = free_port(), free_port(), free_port()
    configuration = _configuration(folder, rasa_port, http, https)
    rasa = ["bot.quiet_rasa", "run", "--interface", "127.0.0.1", "--port", str(rasa_port), "--model", str(small_bot)]
    rasa += ["--endpoints", str(endpoints(folder, free_port())), "--credentials", str(ROOT / "credentials.yml")]
    environment = {"SANIC_PROXIES_COUNT": "1", "MAEUM_MESSAGES_PER_MINUTE_AND_ADDRESS": str(PER_ADDRESS)}
    ready = f"http://127.0.0.1:{rasa_port}/webhooks/health/"
    with running(rasa, ready, folder / "rasa.log", **environment):
        process = subprocess.Popen([nginx, "-p", str(folder), "-c", str(configuration), "-g", "daemon off;"])
        try:
            _wait(f"http://127.0.0.1:{http}/")
            yield f"https://127.0.0.1:{https}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _configuration(folder: Path, rasa_port: int, http: int, https: int) -> Path:
    """A whole nginx.conf around the site's, whose ports and files are the test's; the loopback stands for strangers."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=bot.example.org",
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True,
    )  # fmt: skip
    text = (ROOT / "docs" / "nginx.conf").read_text(encoding="utf-8")
    for written, here in {
        "listen 80;": f"listen 127.0.0.1:{http};", "listen 443 ssl;": f"listen 127.0.0.1:{https} ssl;",
        "127.0.0.1:5005": f"127.0.0.1:{rasa_port}", "/etc/ssl/bot/fullchain.pem": str(certificate),
        "/etc/ssl/bot/privkey.pem": str(key), "/var/log/nginx/bot.log": str(folder / "access.log"),
        # The test's client comes from the loopback, which counts for nobody: nginx says another address in its place.
        "X-Forwarded-For $remote_addr": "X-Forwarded-For 203.0.113.7",
    }.items():  # fmt: skip
        assert written in text
        text = text.replace(written, here)
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    whole = f"pid {folder}/nginx.pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n{temporary}\n{text}\n}}\n"
    file = folder / "nginx.conf"
    file.write_text(whole, encoding="utf-8")
    return file


def _wait(url: str) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            httpx.get(url, timeout=2)
            return
        except httpx.TransportError:
            time.sleep(0.1)
    raise AssertionError("nginx does not answer")


def say(client: httpx.Client, site: str, sender: str, message: str = "안녕하세요") -> httpx.Response:
    return client.post(f"{site}/webhooks/rest/webhook", json={"sender": sender, "message": message})


def test_people_are_answered_and_counted_by_the_address_that_nginx_saw(site: str) -> None:
    with httpx.Client(verify=False, timeout=30, headers={"X-Forwarded-For": "198.51.100.1"}) as client:
        answers = [say(client, site, f"person {number}") for number in range(PER_ADDRESS + 2)]
        said = [answer.json()[0]["text"] for answer in answers]
        assert refusals()["too_fast"] not in said[:PER_ADDRESS]
        assert said[PER_ADDRESS:] == [refusals()["too_fast"]] * 2, "whatever address they claim and whoever they say they are"
        assert say(client, site, "person 0", "죽고 싶어요").json()[0]["text"] != refusals()["too_fast"]
        assert answers[0].headers["strict-transport-security"]


def test_nothing_but_the_channels_can_be_reached(site: str) -> None:
    with httpx.Client(verify=False) as client:
        for path in ("/status", "/model", "/conversations/a/tracker", "/webhooks/../status"):
            assert client.get(f"{site}{path}").status_code == 404
        assert client.get(f"{site}/webhooks/health/").status_code == 200


def test_a_school_behind_one_address_gets_the_page(site: str) -> None:
    trusting = ssl.create_default_context()
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    socket = f"{site.replace('https', 'wss')}{SOCKET}?EIO=4&transport=websocket"

    async def scenario() -> None:
        async with AsyncExitStack() as pages, httpx.AsyncClient(verify=False, timeout=60) as client:
            for _ in range(30):
                await pages.enter_async_context(connect(socket, ssl=trusting))
            for _ in range(10):
                visit = [client.get(f"{site}/webhooks/web/main.js") for _ in range(18)]
                assert {answer.status_code for answer in await asyncio.gather(*visit)} == {200}
            answer = await client.post(f"{site}/webhooks/rest/webhook", json={"sender": "pupil", "message": "안녕하세요"})
            assert answer.status_code == 200, "open pages are counted apart"

    asyncio.run(scenario())


def test_what_is_too_large_or_too_much_ends_at_nginx(site: str) -> None:
    with httpx.Client(verify=False, timeout=60) as client:
        large = client.post(f"{site}/webhooks/rest/webhook", content=json.dumps({"message": "x" * 100_000}))
        assert large.status_code == 413
        with ThreadPoolExecutor(8) as pool:
            statuses = list(pool.map(lambda _: client.get(f"{site}/webhooks/rest/").status_code, range(100)))
        assert set(statuses) == {200, 429}
