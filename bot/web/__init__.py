"""The web chat's page: its files, and what puts them together."""
