# cardyears: one command for each thing. `make help` lists them.
PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
BIN := $(VENV)/Scripts
else
BIN := $(VENV)/bin
endif
DATA := $(shell find src/cardyears/catalogue/data -type f) $(shell find src/cardyears/render/locale -name '*.po')
CORE := $(VENV)/.core
DEV := $(VENV)/.dev
ORACLES := .venv-oracles

.PHONY: help answer test test-oracles check bench fit docs format catalogue clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

answer: $(CORE) ## the founding question, answered
	@$(BIN)/cardyears check gpt-3.5 --on "RTX 4070 Ti" --for 1y --utilization 90%

test: $(DEV) ## all fast tests and the examples in docstrings
	$(BIN)/python -m pytest

test-oracles: $(ORACLES)/.made ## compare with transformers, torch and PEFT (installs them apart)
	$(ORACLES)/$(notdir $(BIN))/python -m pytest tests/oracles

check: $(DEV) ## format, lint, types, import contracts, docs current
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python tools/docs.py --check
	$(BIN)/python tools/translations.py --check

bench: $(DEV) ## speed, as ratios in one run
	$(BIN)/python bench/start.py
	$(BIN)/python bench/search.py
	$(BIN)/python bench/validate.py

fit: $(DEV) ## fit the coefficients on the measured runs again: minutes, and the same result every time
	$(BIN)/python tools/fit_steps.py
	$(BIN)/python tools/fit_memory.py

docs: $(DEV) ## write every page whose numbers the program computes
	$(BIN)/python tools/docs.py

format: $(DEV) ## format the code
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

catalogue: $(CORE) ## compile the catalogue and the translations
	$(BIN)/python -m cardyears.catalogue.compile
	$(BIN)/python -m cardyears.render.locale.compile

clean: ## remove what was made
	rm -rf $(VENV) $(ORACLES) build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis

$(VENV)/.made:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'cardyears needs Python 3.11 or newer: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(ORACLES)/.made: pyproject.toml
	$(PYTHON) -m venv $(ORACLES)
	$(ORACLES)/$(notdir $(BIN))/python -m pip install --quiet --disable-pip-version-check --editable ".[oracles]"
	@touch $@

$(CORE): $(VENV)/.made pyproject.toml hatch_build.py $(DATA)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@$(BIN)/python -m compileall -q src/cardyears
	@touch $@

$(DEV): $(VENV)/.made pyproject.toml hatch_build.py $(DATA)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[dev]"
	@$(BIN)/python -m compileall -q src/cardyears
	@touch $@ $(CORE)
