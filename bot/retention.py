"""Deleting what was kept long enough: `python -m bot.retention`, once a day by cron.

Deletes, for good, everything older than `retention_days` of the tracker store in `endpoints.yml`.
"""

from __future__ import annotations

import argparse
import sys
import time
from datetime import datetime
from pathlib import Path

from rasa.core.tracker_store import create_tracker_store
from rasa.shared.exceptions import RasaException
from rasa.utils.endpoints import read_endpoint_config

import bot.quiet_rasa  # noqa: F401  (what Rasa's libraries say of themselves is nothing for cron's mail)
from bot.tracker_store import PrivateTrackerStore, StoreUnreachableError

_DAY = 24 * 60 * 60


def main() -> int:
    """Runs the command line and returns its exit code: 2 if the settings are wrong or the database can't be reached."""
    parser = argparse.ArgumentParser(prog="python -m bot.retention", description=__doc__)
    parser.add_argument("--endpoints", type=Path, default=Path("endpoints.yml"), help="default: %(default)s")
    parser.add_argument("--days", type=float, help="instead of retention_days; 0 deletes everything")
    options = parser.parse_args()
    try:
        store = _store(options.endpoints)
        days = store.retention_days if options.days is None else options.days
        if not days >= 0:
            raise ValueError(f"--days is {days:g}: give a number of days, 0 or more.")
        before = time.time() - days * _DAY
        events, conversations = store.erase_before(before)
        store.compact()
    except (ValueError, RasaException) as error:
        print(error, file=sys.stderr)
        return 2
    except StoreUnreachableError:
        print(f"Nothing was deleted, or not for good: the database of {options.endpoints} failed, see above.", file=sys.stderr)
        return 2
    day = f"{datetime.fromtimestamp(before):%Y-%m-%d %H:%M}"
    print(f"Deleted {events} events of {conversations} conversations, from before {day}.")
    return 0


def _store(endpoints: Path) -> PrivateTrackerStore:
    if not endpoints.is_file():
        raise ValueError(f"{endpoints}: there is no such file; name yours with --endpoints.")
    config = read_endpoint_config(str(endpoints), "tracker_store")
    store = create_tracker_store(config) if config else None
    if not isinstance(store, PrivateTrackerStore):
        raise ValueError(f"{endpoints}: its tracker_store must be of type bot.tracker_store.PrivateTrackerStore.")
    return store


if __name__ == "__main__":
    sys.exit(main())
