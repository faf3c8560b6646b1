"""What runs beside Rasa's core: how answers are worded, the action server, and starting both servers."""
