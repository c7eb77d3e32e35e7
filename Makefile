# Everything a contributor runs. Each target sets up what it needs in .venv.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PREFIX ?= $(HOME)/.local

# Recorded real attestations, tested too where the folder lies beside the checkout.
CORPUS := $(wildcard ../shared/corpus)
export GUARD_CORPUS := $(if $(CORPUS),$(abspath $(CORPUS)),$(GUARD_CORPUS))

.PHONY: demo test test-full coverage mutation fuzz lint format bench install lock clean

demo: $(STAMP)
	$(BIN)/python -m tests.demo

test: $(STAMP)
	$(BIN)/python -m pytest -n 3 --dist worksteal

test-full: $(STAMP)
	GUARD_TEST_CAMPAIGNS=full $(BIN)/python -m pytest -n 2 --dist worksteal

# Fails where a branch of the verification is taken by no test.
coverage: $(STAMP)
	$(BIN)/python -m coverage run -m pytest -q -p no:xdist tests/unit/test_sigstore_*.py tests/unit/test_attest_*.py tests/unit/test_cli_verify*.py
	$(BIN)/python -m coverage report

# Prints what no test notices when it is wrong. MODULES="guard/sigstore/log.py …" for some.
mutation: $(STAMP)
	$(BIN)/python -m tests.mutation $(MODULES)

# Readers of untrusted evidence, each for an equal share of MINUTES. TARGETS="bundle …" for some.
MINUTES ?= 90
fuzz: $(STAMP)
	$(BIN)/python -m tests.fuzz --minutes $(MINUTES) $(TARGETS)

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(STAMP)
	$(BIN)/python -m tests.bench

# guard in an environment of its own, and its command in $(PREFIX)/bin: started isolated, so that PYTHONPATH has no say.
install:
	$(PYTHON) -m venv $(PREFIX)/share/provenance-guard
	$(PREFIX)/share/provenance-guard/bin/python -m pip install --quiet --disable-pip-version-check .
	mkdir -p $(PREFIX)/bin
	rm -f $(PREFIX)/bin/guard
	printf '#!/bin/sh\nexec "%s" -I -m guard "$$@"\n' "$(PREFIX)/share/provenance-guard/bin/python" > $(PREFIX)/bin/guard
	chmod +x $(PREFIX)/bin/guard
	$(PREFIX)/bin/guard --version

# Resolves the environments of development and of action.yml anew. The locks name no index, so that any one can serve them.
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.10 --generate-hashes --no-emit-index-url --no-header
lock: $(STAMP)
	$(COMPILE) --group dev pyproject.toml --output-file requirements-dev.txt
	$(COMPILE) --group action pyproject.toml --output-file requirements-action.txt

$(STAMP): requirements-dev.txt pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(STAMP)

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
