"""Rasa graph components for Korean: name them in `config.yml`, as `components.kiwi_tokenizer.KiwiTokenizer`."""
