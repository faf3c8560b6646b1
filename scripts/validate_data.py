"""Runs `rasa data validate` and fails if it says anything that `bot.quiet_rasa` doesn't list as expected.

Rasa itself exits with 0 whatever it warns of.
"""

from __future__ import annotations

import subprocess
import sys


def main() -> int:
    """Returns the exit code: 0 if nothing unexpected was said."""
    command = [sys.executable, "-m", "bot.quiet_rasa", "data", "validate"]
    validation = subprocess.run(command, capture_output=True, text=True, check=False)
    lines = [line for line in validation.stderr.splitlines() if "Warning" in line or "WARNING" in line or "ERROR" in line]
    if validation.returncode == 0 and not lines:
        print("rasa data validate: nothing unexpected")
        return 0
    print(validation.stdout + validation.stderr, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
