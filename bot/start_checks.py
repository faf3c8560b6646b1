"""What must be so before the bot serves anybody; `bot.serve` looks first, and plain `rasa run` when it loads the channels."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

API_TOKEN = "MAEUM_API_TOKEN"
REMOTE_MODELS = "MAEUM_REMOTE_MODELS"
INTENT_MESSAGES = "MAEUM_INTENT_MESSAGES"

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class StartError(RuntimeError):
    """Why the bot doesn't start: a sentence for the operator."""


def with_api_token(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> list[str]:
    """What `rasa run` is given, with the token of the environment, which Rasa doesn't read, where it opens the API."""
    token = environment.get(API_TOKEN)
    if token and _options(arguments).enable_api:
        return [*arguments, f"--auth-token={token}"]
    return list(arguments)


def check_start(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """Looks at what `rasa run` was given.

    Args:
        arguments: its command line with the API's token, in which other options may stand as well.
        environment: where secrets come from.

    Raises:
        StartError: the API would be open to anybody, a secret is missing, strangers could drive the bot, or a model would be
            fetched from elsewhere.
    """
    options = _options(arguments)
    if options.enable_api and not (options.auth_token or options.jwt_secret):
        raise StartError(
            f"--enable-api lets whoever has its token read every conversation: set {API_TOKEN} to a long random text and start"
            " with `python -m bot.serve`; plain `rasa run` takes --auth-token instead."
        )
    if environment.get(INTENT_MESSAGES) == "1":
        raise StartError(f"{INTENT_MESSAGES}=1 is for `rasa shell`: unset it to serve others, who could drive the bot with it.")
    files = {Path(options.credentials): "credentials", Path(options.endpoints): "endpoints"}
    contents = {name: _content(file) for file, name in files.items()}
    for file, name in files.items():
        missing = [variable for variable in _variables(contents[name]) if not environment.get(variable)]
        if missing:
            raise StartError(f"{file} takes {' and '.join(missing)} from the environment: set it, or switch off what needs it.")
    if environment.get(REMOTE_MODELS) != "1":
        elsewhere = "--remote-storage" if options.remote_storage else _remote_endpoint(contents["endpoints"])
        if elsewhere:
            raise StartError(
                f"{elsewhere} would load a model from another machine, and a model runs code: set {REMOTE_MODELS}=1 if you"
                " trust it."
            )


def check_shell(arguments: Sequence[str], environment: Mapping[str, str] = os.environ) -> None:
    """The same for a developer's terminal, where commands are allowed."""
    check_start(arguments, {name: value for name, value in environment.items() if name != INTENT_MESSAGES})


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    """Rasa's options that matter here."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--enable-api", action="store_true")
    parser.add_argument("-t", "--auth-token")
    parser.add_argument("--jwt-secret")
    parser.add_argument("--remote-storage")
    parser.add_argument("--credentials", default="credentials.yml")
    parser.add_argument("--endpoints", default="endpoints.yml")
    return parser.parse_known_args(arguments)[0]


def _content(file: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return {}  # Rasa says what is wrong with it
    return content if isinstance(content, dict) else {}


def _variables(content: object) -> Iterator[str]:
    """The environment variables that a YAML file's values name as ${NAME}."""
    if isinstance(content, dict):
        for value in content.values():
            yield from _variables(value)
    elif isinstance(content, list):
        for value in content:
            yield from _variables(value)
    elif isinstance(content, str):
        yield from _VARIABLE.findall(content)


def _remote_endpoint(endpoints: Mapping[str, Any]) -> str | None:
    """The entry of endpoints.yml that has Rasa fetch its model, if there is one."""
    models = endpoints.get("models")
    return "`models:` in endpoints.yml" if isinstance(models, dict) and models.get("url") else None
