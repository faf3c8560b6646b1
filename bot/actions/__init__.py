"""The action server: `rasa run actions --actions bot.actions`."""

from bot.actions.generate_reply import ActionGenerateReply

__all__ = ["ActionGenerateReply"]
