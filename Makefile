# Every command of the house. Needs Python 3.11 or newer and make; each target makes the environment that it needs.

# numpy's products here are small: a second thread of OpenBLAS only waits for a core.
export OPENBLAS_NUM_THREADS := 1

VENV ?= .venv
# The interpreter for a new environment: the newest that really runs (a shim may stand for one that is not installed).
PYTHON ?=
PYTHONS := python3.14 python3.13 python3.12 python3.11 python3
# What `make bench` measures.
BENCH ?= load

BIN := $(VENV)/bin
PROBE := import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq
# Four at a time, also on two cores: many tests only wait, for a call that takes as long as calls take.
PYTEST := $(BIN)/python -m pytest -n 4 --dist worksteal --doctest-modules tests property_tests opusagent
UV_PIN := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --no-annotate --no-header --quiet

.PHONY: help demo check test fix bench pin clean

help:  ## say what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' Makefile

$(BIN)/python:
	@for candidate in $(or $(PYTHON),$(PYTHONS)); do \
		if "$$candidate" -c '$(PROBE)' >/dev/null 2>&1; then \
			echo "== environment: $$("$$candidate" -V) in $(VENV)"; \
			exec "$$candidate" -m venv $(VENV); \
		fi; \
	done; \
	echo "No Python 3.11 or newer with venv among: $(or $(PYTHON),$(PYTHONS)). Name one: make PYTHON=/path/to/python" >&2; \
	exit 1

# $(call install,<set>): the pinned and hashed set, then the project itself, editable and without looking anything up.
define install
	@echo "== packages: requirements/$(1).txt into $(VENV)"
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(PIP) install --require-hashes -r requirements/$(1).txt
	@$(PIP) install --no-deps --no-build-isolation -e .
endef

$(VENV)/.local: requirements/local.txt pyproject.toml | $(BIN)/python
	$(call install,local)
	@touch $@

# dev holds local.
$(VENV)/.dev: requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call install,dev)
	@touch $(VENV)/.local $@

demo:  ## place one real call on this machine, offline, and leave its recording
	@begun=$$(date +%s); \
	$(MAKE) --no-print-directory $(VENV)/.local || exit; \
	ready=$$(date +%s); \
	$(BIN)/opusagent demo; status=$$?; \
	echo "demo: set-up took $$((ready - begun)) s, the call $$(($$(date +%s) - ready)) s"; \
	exit $$status

check:  ## everything that must hold, stopping at the first that does not
	@begun=$$(date +%s); now=environment; verdict=FAILED; \
	trap 'echo; echo "check: $$verdict at $$now, after $$(($$(date +%s) - begun)) s"' EXIT; \
	step() { now=$$1; shift; echo; echo "== $$now"; "$$@" || exit; }; \
	$(MAKE) --no-print-directory $(VENV)/.dev || exit; \
	step "ruff format" $(BIN)/ruff format --check; \
	step "ruff check" $(BIN)/ruff check; \
	step "flake8-async" $(BIN)/flake8 opusagent tests property_tests; \
	step "mypy" $(BIN)/mypy; \
	step "basedpyright" $(BIN)/basedpyright --pythonpath $(BIN)/python; \
	step "import-linter" $(BIN)/lint-imports; \
	step "tests, properties, doctests, README" $(PYTEST); \
	now=end; verdict=passed

test: $(VENV)/.dev  ## tests, properties, doctests and the README's examples only
	@$(PYTEST)

fix: $(VENV)/.dev  ## put right what ruff can
	@$(BIN)/ruff check --fix; $(BIN)/ruff format

bench: $(VENV)/.dev  ## how many calls a process carries; BENCH=<name> for another table
	@$(BIN)/python -m opusagent.bench $(BENCH)

pin:  ## write requirements/*.txt from requirements/*.in (needs uv)
	@for set in run local dev; do \
		echo "== requirements/$$set.txt"; \
		lines=$$($(UV_PIN) requirements/$$set.in) || exit; \
		{ echo "# Pinned and hashed by \`make pin\` from requirements/$$set.in; installed with pip --require-hashes."; \
		  echo "$$lines"; } >requirements/$$set.txt; \
	done

clean:  ## remove the environments and every cache
	@rm -rf .venv .venv-* build dist demo-output .mypy_cache .ruff_cache .import_linter_cache .pytest_cache .hypothesis
	@find opusagent tests property_tests -name __pycache__ -type d -prune -exec rm -rf {} +
