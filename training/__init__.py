"""Offline work, as one command line: `python -m training COMMAND`. Nothing in the running bot imports this package."""
