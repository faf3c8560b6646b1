"""A PostgreSQL server for tests: its own cluster in a folder, on a free port of the loopback, never as root."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from servers import ROOT, free_port

USER, PASSWORD, DATABASE = "maeum", "for-tests-alone", "maeum"


class Postgres:
    """A cluster that can be started, stopped and searched."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "data"
        self.port = free_port()
        subprocess.run([ROOT / "scripts" / "test_tools.sh"], check=True)
        pg_ctl = shutil.which("pg_ctl") or max(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"))  # Debian's isn't on PATH
        self._programs = Path(pg_ctl).resolve().parent
        # PostgreSQL refuses to run as root.
        self._user = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
        if self._user:
            os.chown(folder, self._user.pw_uid, self._user.pw_gid)
        password = folder / "password"
        password.write_text(PASSWORD, encoding="utf-8")
        self._run(
            "initdb", "-D", self.folder, "-U", USER, "-A", "scram-sha-256", "--pwfile", password, "-E", "UTF8", "--locale=C"
        )
        self.start()
        self._run("createdb", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, DATABASE)

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c log_statement=all"
        self._run("pg_ctl", "-D", self.folder, "-w", "-o", options, "-l", self.folder.parent / "log", "start")

    def stop(self) -> None:
        self._run("pg_ctl", "-D", self.folder, "-w", "-m", "immediate", "stop")

    def dump(self) -> bytes:
        """The whole content of the database as SQL: nothing in it is compressed."""
        return self._run("pg_dump", "-h", "127.0.0.1", "-p", str(self.port), "-U", USER, DATABASE)

    def tracker_store(self) -> dict[str, Any]:
        """The store's part of an endpoints.yml."""
        place = {"dialect": "postgresql", "url": "127.0.0.1", "port": self.port, "db": DATABASE}
        return {"type": "bot.tracker_store.PrivateTrackerStore", **place, "username": USER, "password": PASSWORD}

    def _run(self, program: str, *arguments: str | Path) -> bytes:
        identity: dict[str, Any] = (
            {"user": self._user.pw_uid, "group": self._user.pw_gid, "extra_groups": []} if self._user else {}
        )
        environment = {**os.environ, "PGPASSWORD": PASSWORD}
        command = [str(self._programs / program), *map(str, arguments)]
        # pg_ctl's server would keep a pipe open, so only pg_dump gets one.
        output = subprocess.PIPE if program == "pg_dump" else subprocess.DEVNULL
        result = subprocess.run(
            command, env=environment, cwd="/", stdout=output, stderr=subprocess.DEVNULL, check=True, **identity
        )
        return result.stdout or b""


@contextmanager
def postgres() -> Iterator[Postgres]:
    """The server, stopped and removed on leaving."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own folders are closed to other users
        server = Postgres(Path(folder))
        try:
            yield server
        finally:
            server.stop()
