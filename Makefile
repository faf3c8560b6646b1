# The commands people type. Each makes what it needs first, and does nothing twice.
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON := .venv/bin/python
RASA := $(PYTHON) -m bot.quiet_rasa

# Nobody who chats wants to read these: Rasa's telemetry, and what its old libraries say of themselves.
export RASA_TELEMETRY_ENABLED := false
export SQLALCHEMY_SILENCE_UBER_WARNING := 1
export TF_CPP_MIN_LOG_LEVEL := 3
export TF_ENABLE_ONEDNN_OPTS := 0
export CUDA_VISIBLE_DEVICES ?=
# Compiled once, Rasa and its libraries are imported in a third of the time; all of it lies in .venv and __pycache__.
unexport PYTHONDONTWRITEBYTECODE

ENCODER := .cache/wellness-encoder/config.json
MODEL := models/maeum.tar.gz
MODEL_SOURCES := $(ENCODER) config.yml domain.yml $(wildcard data/*.yml) data/crisis_in_wellness.csv data/crisis_utterances.csv \
	data/wellness.csv data/generated/nlu.yml data/generated/responses.yml \
	$(wildcard components/*.py components/encoder/*.py)

.PHONY: help setup data train chat serve test lint bench format lock

help: ## What can be typed
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 16

setup: ## Python 3.10 and all packages, in .venv
	@scripts/setup.sh

data: setup $(ENCODER) ## Rasa training data from data/'s sources, and the embedded encoder
	@$(PYTHON) -m training import

$(ENCODER): training/wellness_encoder.npz | setup
	@rm -rf $(@D)
	@$(PYTHON) -m training wellness-encoder
	@touch $@

train: data ## The model, if anything it is made from has changed
	@$(MAKE) --silent --no-print-directory $(MODEL)

$(MODEL): $(MODEL_SOURCES)
	@echo "Training the model" >&2
	@LOG_LEVEL=WARNING $(RASA) train --skip-validation --fixed-model-name maeum  # `make lint` validates
	@touch $(MODEL)

chat: train ## Talk to the bot in this terminal; DEBUG=1 says why it answers so
	@LOG_LEVEL=ERROR $(PYTHON) -m bot.serve --shell $(if $(DEBUG),--explain)

serve: train ## Serve the web chat and REST on :5005, the action server on :5055
	@$(PYTHON) -m bot.serve

test: train ## The whole test suite
	@scripts/test_tools.sh
	@$(PYTHON) -m pytest

lint: data ## ruff, mypy and `rasa data validate`
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@$(PYTHON) scripts/validate_data.py

bench: train ## Speed and memory, side by side
	@$(PYTHON) -m training benchmark

format: setup ## Rewrites the code as ruff formats it
	@$(PYTHON) -m ruff check --fix --quiet .
	@$(PYTHON) -m ruff format --quiet .

lock: setup ## Compiles requirements.in into requirements.lock
	@$(if $(wildcard .uv/bin/uv),.uv/bin/uv,uv) pip compile requirements.in --quiet --universal --python-version 3.10 \
		--generate-hashes --no-emit-index-url --no-header --output-file requirements.lock
