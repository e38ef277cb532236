# Everything a person or a machine does to this project. `make` alone lists the targets.
# Tools run as `python -m …`: their start scripts hold an absolute path, which breaks where that is long or has spaces.

PYTHON := .venv/bin/python
WORKERS ?= auto
SECONDS ?= 300
PYTEST := $(PYTHON) -m pytest
READY := .venv/.ready
yes = $(filter-out 0 no false,$(1))

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{printf "%-18s %s\n", $$1, $$2}'

# What a recipe says goes to stderr: the last line of stdout may be somebody's JSON.
$(READY): requirements.lock pyproject.toml scripts/venv
	@sh scripts/venv 1>&2

.PHONY: venv
venv: $(READY) ## make .venv from requirements.lock (uv if present, else pip)

.PHONY: demo
demo: $(READY) ## everything on this machine against the sandbox; ONCE=1 stops after the table, JSON=1 prints it as JSON
	@$(PYTHON) -m engage.cli demo $(if $(call yes,$(ONCE)),--once) $(if $(call yes,$(JSON)),--json)

.PHONY: check
check: format-check lint types floors docs ## format, lint, strict types, import floors, docs

.PHONY: format-check
format-check: $(READY)
	@$(PYTHON) -m ruff format --check .

.PHONY: lint
lint: $(READY)
	@$(PYTHON) -m ruff check .

.PHONY: types
types: $(READY)
	@$(PYTHON) -m mypy

.PHONY: floors
floors: $(READY)
	@$(PYTHON) -c 'from importlinter.cli import lint_imports_command as main; main()'

.PHONY: docs
docs: $(READY)
	@$(PYTEST) -q tests/house

.PHONY: test
test: $(READY) ## every test; missing Chromium skips its tests, with CI=true it fails them
	@$(PYTEST) -n $(WORKERS) --dist worksteal -m 'not slow'

.PHONY: unit
unit: $(READY) ## the tests that need no server and no browser
	@$(PYTEST) -q -m 'not live and not browser and not slow'

.PHONY: nightly
nightly: $(READY) ## every test, the slow ones too, with many more random examples; then `make fuzz`
	@HYPOTHESIS_PROFILE=nightly $(PYTEST) -n $(WORKERS) --dist worksteal --timeout 3600
	@$(MAKE) fuzz

.PHONY: fuzz
fuzz: $(READY) ## search the parsers for bytes that break them, SECONDS=300 each (Linux)
	@if command -v uv >/dev/null 2>&1; then uv pip install --quiet --python $(PYTHON) --require-hashes -r requirements-fuzz.lock; \
	else $(PYTHON) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-fuzz.lock; fi
	@$(PYTHON) -m tests.fuzz --seconds $(SECONDS)

.PHONY: audit
audit: ## ask the package index whether a dependency has a known weakness; says so where it cannot be asked
	@python3 scripts/audit

.PHONY: bench
bench: $(READY) ## the workloads of docs/performance.md, measured on this machine
	@$(PYTHON) -m engage.cli bench all

.PHONY: format
format: $(READY) ## rewrite the code in the house style
	@$(PYTHON) -m ruff check --fix .
	@$(PYTHON) -m ruff format .

.PHONY: lock
lock: ## resolve the dependencies again (needs uv)
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes -o requirements.lock
	uv pip compile --group pyproject.toml:fuzz --universal --python-version 3.11 --generate-hashes -o requirements-fuzz.lock
	uv pip compile --group pyproject.toml:audit --universal --python-version 3.11 --generate-hashes -o requirements-audit.lock

.PHONY: clean
clean: ## remove .venv, caches and the data of the embedded services
	@if [ -L .engage/embedded ]; then rm -rf "$$(readlink .engage/embedded)"; fi
	rm -rf .venv .engage .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
