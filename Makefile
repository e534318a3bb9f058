# Undertone: two commands do everything on a fresh machine with Python 3.11 or newer:
# `make run` serves and annotates the sample meeting, `make test` passes the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install run demo test test-slow check lint coverage images bench lock train-setup test-train clean

help: ## Say what can be made
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.default ## Install the locked dependencies into .venv

run: $(VENV)/.default ## Serve on this machine, and annotate the sample meeting over HTTP
	$(BIN)/undertone serve --first samples/standup.mp4

demo: $(VENV)/.default ## Annotate the sample meeting and print its transcript
	$(BIN)/undertone annotate samples/standup.mp4

test: $(VENV)/.dev ## Run the tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.dev ## Run the tests that start whole services and kill them
	$(BIN)/python -m pytest -m slow

check: lint coverage ## Format, lint, types, import contracts, and the coverage that the tests must reach

lint: $(VENV)/.dev $(VENV)/.containers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/hadolint docker/Dockerfile

# The science is covered to the last branch; what touches machines and libraries to nine tenths.
coverage: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=
	$(BIN)/coverage report --fail-under=90 --skip-covered
	$(BIN)/coverage report --fail-under=100 --show-missing --skip-covered --include='shared/domain/*,shared/pipeline/*,shared/exports/*'

images: $(VENV)/.dev ## Install and start what the images hold, without a container engine (minutes)
	UNDERTONE_TEST_IMAGES=1 $(BIN)/python -m pytest tests/container/test_images.py

bench: $(VENV)/.dev ## Run the benchmarks (minutes)
	for bench in bench/*.py; do $(BIN)/python $$bench || exit 1; done

lock: ## Write the lock files anew (needs uv)
	requirements/lock

train-setup: $(VENV)/.dev ## Add torch and torchaudio for the trainer (5 GB)
	$(PIP) install --quiet --no-compile --require-hashes -r requirements/train.txt
	$(PIP) install --quiet --no-deps --require-hashes -r requirements/teacher.txt

test-train: train-setup ## Run the trainer's tests, those that need torch too
	$(BIN)/python -m pytest tests/trainer

clean: ## Remove what was installed and cached
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# A stamp is newer than its lock file once everything in it is installed. --no-compile: most modules are never imported.
$(VENV)/.default: requirements/default.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --no-compile --require-hashes -r $<
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.default
	$(PIP) install --quiet --no-compile --require-hashes -r $<
	touch $@

$(VENV)/.containers: requirements/containers.txt $(VENV)/.default
	$(PIP) install --quiet --no-compile --require-hashes -r $<
	touch $@
