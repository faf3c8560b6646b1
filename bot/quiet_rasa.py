"""`rasa`, without what its pinned libraries say about themselves: `python -m bot.quiet_rasa run` is `rasa run`.

And without the minute that it takes to pack a model as small as can be.
"""

from __future__ import annotations

import sys
import tarfile
import warnings
from functools import partialmethod

import sanic  # noqa: F401  (switches deprecation warnings on when it is imported, so it comes first)

warnings.simplefilter("ignore")

import rasa.__main__  # noqa: E402
from pyparsing import PyparsingDeprecationWarning  # noqa: E402
from rasa.utils.common import EXPECTED_WARNINGS  # noqa: E402

from bot import shell  # noqa: E402
from bot.start_checks import with_api_token  # noqa: E402

# What Rasa warns of though it is meant so. `make lint` lets these pass and nothing else.
EXPECTED = [
    # domain.yml names it for people; Rasa adds it from the training data as well.
    "The following duplicated intents have been found across multiple domain files: wellness",
    # It is found by another component than the one that learns the training data's intents, and answered by no rule.
    "The intent 'crisis' is ",
    # The wellness answers are chosen by components.wellness_classifier, which Rasa's validation doesn't know.
    "You have defined training data with examples for training a response selector",
    # These are said by CrisisPolicy, by bot.nlg and by action_generate_reply, not by a rule.
    "The utterance 'utter_crisis_",
    "The utterance 'utter_notice' is not used in any story or rule",
    "The utterance 'utter_generated_reply' is not used in any story or rule",
    # What bot.own_data says in place of another.
    "The utterance 'utter_no_data' is not used in any story or rule",
    "The utterance 'utter_data_unreachable' is not used in any story or rule",
]
EXPECTED_WARNINGS.extend([(UserWarning, message) for message in EXPECTED] + [(PyparsingDeprecationWarning, "")])

if __name__ == "__main__":
    shell.install()
    # At Python's default of 9 an encoder's weights take thirty seconds, and become 6 % smaller.
    gzopen = partialmethod(vars(tarfile.TarFile)["gzopen"], compresslevel=1)
    tarfile.TarFile.gzopen = gzopen  # type: ignore[method-assign, assignment]
    # Here and not in the command line, which everybody on the machine can read.
    sys.argv[1:] = with_api_token(sys.argv[1:])
    rasa.__main__.main()
