"""Ways into the bot beside those Rasa ships; each is named in `credentials.yml`."""
