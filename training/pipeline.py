"""What a Rasa config file says of the components of its pipeline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml


def pipeline_of(config_file: Path) -> list[dict[str, Any]]:
    """The components, each with its `name` and the settings that stand there.

    Raises:
        ValueError: the file can't be read, or has no pipeline; the message is a sentence for whoever wrote it.
    """
    try:
        return yaml.safe_load(config_file.read_text(encoding="utf-8"))["pipeline"] or []
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{config_file}: the pipeline can't be read ({reason}); mend the file.") from None


def component_of(config_file: Path, name: str) -> dict[str, Any]:
    """The first component of that name.

    Raises:
        ValueError: there is none, or the file can't be read.
    """
    found = next((component for component in pipeline_of(config_file) if component["name"] == name), None)
    if found is None:
        raise ValueError(f"{config_file}: the pipeline has no {name}; add it.")
    return found
