"""The action server: `rasa run actions --actions bot.actions`."""

from bot import private_logs
from bot.actions.generate_reply import ActionGenerateReply

__all__ = ["ActionGenerateReply"]

private_logs.install()
