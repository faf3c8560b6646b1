"""What keeps people safe beside the conversation: hotlines and the hand-off to a human."""
