from __future__ import annotations

from pathlib import Path

import pytest
from small_bot import train_small_bot


@pytest.fixture(scope="session")
def small_bot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model of a bot of the project's own configuration that knows few categories."""
    return train_small_bot(tmp_path_factory.mktemp("small_bot") / "bot")
