"""`scripts/setup.sh` with a stand-in for uv, which would reach beyond this machine: what it finds, asks for and repeats."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = """#!/bin/sh
echo "$@" >>"$UV_LOG"
case "$*" in
    venv*) mkdir -p .venv ;;
    *without-torch*) cp .venv/without-torch.lock "$UV_LOG.lock" ;;
esac
"""


class Clone:
    """A clone with nothing on PATH but the system's tools, uv's stand-in and what a test adds."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir()
        (folder / "scripts").mkdir()
        shutil.copy(ROOT / "scripts" / "setup.sh", folder / "scripts")
        shutil.copy(ROOT / "requirements.lock", folder)
        self.program("uv", UV)

    def program(self, name: str, text: str) -> None:
        (self.bin / name).write_text(text, encoding="utf-8")
        (self.bin / name).chmod(0o755)

    def set_up(self, **environment: str) -> subprocess.CompletedProcess[str]:
        variables = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.folder), "UV_LOG": str(self.folder / "uv.log")}
        return subprocess.run(
            [self.folder / "scripts" / "setup.sh"],
            env={**variables, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        log = self.folder / "uv.log"
        return log.read_text(encoding="utf-8").splitlines() if log.exists() else []


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


def real_python() -> str:
    return os.path.realpath(sys.executable)


def test_a_python310_on_path_is_used(clone: Clone) -> None:
    (clone.bin / "python3.10").symlink_to(real_python())
    assert clone.set_up().returncode == 0
    assert str(clone.bin / "python3.10") in clone.calls[0] or real_python() in clone.calls[0]


def test_one_that_does_not_run_is_passed_over_for_pyenvs(clone: Clone) -> None:
    clone.program("python3.10", "#!/bin/sh\necho 'pyenv: python3.10: command not found' >&2\nexit 127\n")
    clone.program("pyenv", f"#!/bin/sh\necho {clone.folder}/pyenv\n")
    interpreter = clone.folder / "pyenv" / "versions" / "3.10.99" / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(real_python())
    assert clone.set_up().returncode == 0
    assert str(interpreter) in clone.calls[0] or real_python() in clone.calls[0]


def test_another_version_of_that_name_is_passed_over_and_uv_downloads_one(clone: Clone) -> None:
    clone.program("python3.10", "#!/bin/sh\nexit 1\n")
    result = clone.set_up()
    assert result.returncode == 0
    assert clone.calls[0].endswith("--python 3.10 .venv")
    assert "uv downloads one" in result.stderr


def test_packages_come_from_the_lock_file_with_hashes(clone: Clone) -> None:
    result = clone.set_up()
    assert clone.calls[1].endswith("--require-hashes requirements.lock")
    assert "[set-up 3/3]" in result.stderr, "it says what it does and how far it is"


def test_a_second_run_does_nothing_and_takes_no_time(clone: Clone) -> None:
    clone.set_up()
    before = clone.calls
    started = time.monotonic()
    assert clone.set_up().returncode == 0
    assert time.monotonic() - started < 1
    assert clone.calls == before


def test_a_changed_lock_file_is_installed(clone: Clone) -> None:
    clone.set_up()
    with (clone.folder / "requirements.lock").open("a", encoding="utf-8") as lock:
        lock.write("# changed\n")
    clone.set_up()
    assert len(clone.calls) == 4


def test_torch_can_come_from_another_index_without_cuda(clone: Clone) -> None:
    assert clone.set_up(TORCH_BACKEND="cpu").returncode == 0
    lock = (clone.folder / "uv.log.lock").read_text(encoding="utf-8")
    assert "\nrasa==" in lock
    assert not any(line.startswith(("torch==", "nvidia-", "triton==")) for line in lock.splitlines())
    assert "--torch-backend cpu torch==" in clone.calls[2]


def test_a_failing_installation_is_tried_again_next_time(clone: Clone) -> None:
    clone.program("uv", UV + 'case "$1" in pip) exit 1 ;; esac\n')
    assert clone.set_up().returncode != 0
    clone.program("uv", UV)
    assert clone.set_up().returncode == 0
    assert clone.calls[-1].startswith("pip sync")


def test_the_lock_file_names_no_download_address() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "--hash=sha256:" in lock
    assert "://" not in lock
    assert "index-url" not in lock
