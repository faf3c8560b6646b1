"""`python -m training benchmark`: what the bot does beside what others do; `run` lists the sections."""
