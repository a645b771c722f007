# Everything a developer or user does from a clone. A machine needs Python 3.11 or 3.12 and make:
# each target first makes what it needs (.venv, the locked packages, compiled kernels).

VENV ?= .venv
PYTHON ?= $(shell for name in python3.12 python3.11 python3; do \
	"$$name" -c '$(SUITABLE)' 2>/dev/null && echo "$$name" && break; done)
PORT ?= 9092
DELETE ?=
PYTEST_ARGS ?=

# Bytewax has wheels for CPython up to 3.12; River and Polars need 3.11.
SUITABLE = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

BIN = $(VENV)/bin
RUN = $(VENV)/.installed-run
DEV = $(VENV)/.installed-dev
# The lists are complete, so pip need not look for dependencies (before 24 it trips over extras).
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps
KAFKA = "$(PYTHON)" tools/kafka.py
LOCK = $(BIN)/uv pip compile --quiet --upgrade --generate-hashes --universal \
	--fork-strategy fewest --python-version 3.11 --no-annotate --no-header

.DEFAULT_GOAL := help
.PHONY: help install demo test test-reports check format bench kafka kafka-start kafka-stop lock clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

install: $(RUN) ## install streamgauge into .venv, from locked packages

demo: $(RUN) ## watch a synthetic fleet fail and the alerts that tell of it
	$(BIN)/streamgauge demo

test: $(DEV) ## run the tests; those with Kafka need KAFKA_BROKERS (see kafka-start)
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-reports: ## run the tests of reports with Evidently, in an environment of its own
	@$(MAKE) --no-print-directory VENV=.venv-reports .venv-reports/.installed-reports
	.venv-reports/bin/python -m pytest tests/replay/test_report_pages.py tests/cli/test_report_command.py

check: $(DEV) ## lint, formatting, types, architecture
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest --quiet tests/test_architecture.py

format: $(DEV) ## format the code and mend what the linter can
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: $(DEV) ## run the benchmarks
	@for script in $$(grep -l '__main__' benchmarks/*.py); do \
		echo "== $$script"; \
		$(BIN)/python "$$script" || exit 1; \
	done
	$(BIN)/python -m benchmarks.accuracy.nab
	$(BIN)/python -m benchmarks.accuracy.services
	$(BIN)/python -m benchmarks.accuracy.false_alarms
	$(BIN)/python -m benchmarks.accuracy.run_lengths

kafka: python-is-suitable ## run a real Kafka on 127.0.0.1:9092 (PORT=...) until Ctrl-C
	@$(KAFKA) run --port $(PORT)

kafka-start: python-is-suitable ## the same in the background
	@$(KAFKA) start --port $(PORT)

kafka-stop: python-is-suitable ## end the Kafka in the background (DELETE=--delete: and its data)
	@$(KAFKA) stop --port $(PORT) $(DELETE)

lock: $(DEV) ## renew requirements/*.txt from pyproject.toml
	$(LOCK) requirements/build.in -o requirements/build.txt
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) pyproject.toml --group dev -c requirements/run.txt -o requirements/dev.txt
	$(LOCK) pyproject.toml --extra reports -c requirements/run.txt -o requirements/reports.txt

clean: ## remove caches, compiled kernels among them; .venv, .kafka and var stay
	rm -rf .mypy_cache .pytest_cache .ruff_cache .hypothesis dist
	find benchmarks dataflows engine tests tools -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: python-is-suitable
python-is-suitable:
	@"$(PYTHON)" -c '$(SUITABLE)' 2>/dev/null || { \
		echo 'streamgauge needs Python 3.11 or 3.12; name one: make PYTHON=/path/to/python3.12 ...' >&2; \
		exit 2; }

$(BIN)/python: | python-is-suitable
	"$(PYTHON)" -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(RUN): requirements/build.txt requirements/run.txt pyproject.toml | $(BIN)/python
	$(PIP_INSTALL) --require-hashes -r requirements/build.txt -r requirements/run.txt
	$(PIP_INSTALL) --no-build-isolation --editable .
	$(BIN)/python -m engine.cli.warm
	@touch $@

$(DEV): requirements/dev.txt $(RUN)
	$(PIP_INSTALL) --require-hashes -r requirements/dev.txt
	@touch $@

$(VENV)/.installed-reports: requirements/reports.txt $(DEV)
	$(PIP_INSTALL) --require-hashes -r requirements/reports.txt
	@touch $@
