# Everything a person does here, by one word. `make help` lists it.
# Paths are relative on purpose: the checkout may lie under a folder with spaces in its name.

VENV := .venv
PY := $(VENV)/bin/python

# The first Python that is new enough; `make PYTHON=/path/to/python3.12 ...` chooses another.
ifndef PYTHON
PYTHON := $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$p" && break; \
	done)
endif

ARGS ?=
ONLY ?=

.DEFAULT_GOAL := help
.SUFFIXES:
.PHONY: help demo demo-clean test check format bench score soak clean

help:  ## this list
	@echo "make WORD, where WORD is one of"
	@sed -n 's/^\([a-z-]*\):.*##  *\(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-14s%s\n", $$1, $$2}'

demo: $(VENV)/.for-demo  ## a village's water on one page; Ctrl-C stops it (ARGS="--speed 60")
	@$(PY) -m dashboards.install
	@exec $(PY) -m kahriz demo $(ARGS)

demo-clean:  ## forget what the demo has kept
	rm -rf var/demo

test: $(VENV)/.for-test  ## every test (ARGS="-k name"); those of servers skip where Debian's are missing
	@$(PY) -m dashboards.install
	@exec $(PY) -m pytest --numprocesses 2 --dist worksteal $(ARGS)

check: $(VENV)/.for-test  ## formatting, lint, types, the architecture and the documentation
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(PY) -m pytest -q tests/test_architecture.py tests/test_docs.py

format: $(VENV)/.for-test  ## let ruff format and sort
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

bench: $(VENV)/.for-test  ## measure against the peers, in turn (ONLY=name for one row); at most 15 minutes
	@exec $(PY) -m bench $(if $(ONLY),--only $(ONLY))

score: $(VENV)/.for-score  ## judge our detectors and the peers by the messages sent (ARGS="--data DIR")
	@exec $(PY) -m bench.score report $(ARGS)

soak: $(VENV)/.for-test  ## the long form of the fault tests (MINUTES=10)
	@$(PY) -m dashboards.install
	@SOAK_MINUTES=$(or $(MINUTES),10) exec $(PY) -m pytest -m soak -s --timeout=0 $(ARGS)

clean:  ## remove the environment and everything generated, not the demo's data
	rm -rf $(VENV) dashboards/web/node_modules dashboards/web/vendor bench/results.json \
		bench/score/results.json var/bench \
		.coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- what the words above rest on -----------------------------------------------------------

$(VENV)/bin/pip:
	@if [ -z "$(PYTHON)" ]; then \
		echo "kahriz needs Python 3.11 or newer; found: $$(python3 --version 2>&1 || echo none)." >&2; \
		echo "Install one, or name it: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 2; fi
	@"$(PYTHON)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "kahriz needs Python 3.11 or newer; $(PYTHON) is $$("$(PYTHON)" --version 2>&1)." >&2; exit 2; }
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments." >&2; \
		echo "On Debian and Ubuntu: apt-get install python3-venv" >&2; exit 2; }
	@echo "making the environment $(VENV) with $$("$(PYTHON)" --version)"
	@"$(PYTHON)" -m venv $(VENV)

# A stamp a purpose: the second start finds it newer than pyproject.toml and installs nothing.
$(VENV)/.for-demo: pyproject.toml | $(VENV)/bin/pip
	@echo "installing what the demo needs (once; a minute or two)"
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on -e '.[demo]'
	@touch $@

$(VENV)/.for-test: pyproject.toml | $(VENV)/bin/pip
	@echo "installing what the tests need (once; a minute or two)"
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on -e '.[demo,dev,parquet,postgres]'
	@touch $@ $(VENV)/.for-demo

$(VENV)/.for-score: $(VENV)/.for-test
	@echo "installing the peers of the scoreboard (once; a minute)"
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on -e '.[score]'
	@touch $@
