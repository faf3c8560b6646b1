"""The action server: `rasa run actions --actions bot.actions`."""

from bot.actions.access import control_access
from bot.actions.generate_reply import ActionGenerateReply

__all__ = ["ActionGenerateReply"]

control_access()
