"""The action server: `rasa run actions --actions bot.actions`."""

from bot import private_logs
from bot.actions.access import control_access
from bot.actions.generate_reply import ActionGenerateReply

__all__ = ["ActionGenerateReply"]

control_access()
private_logs.install()
