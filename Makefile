# Two commands matter: `make demo` and `make test`. Both set up all they need in environments of their own.
# A constraints file pins every package, so that everybody runs what was tested.

PYTHON ?= python3.11
BASE := .venv/.ready
DEV := .venv-dev/.ready
PIP_FLAGS := --quiet --disable-pip-version-check

.PHONY: demo test check format lint types bench bench-peers clean help

help:  ## Show what can be made.
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

demo: $(BASE)  ## Make and check twenty minutes of streams with built-in voices and sounds, and draw a few.
	.venv/bin/soundflow run quickstart demo/quickstart --banks demo/banks --executor ray --validate

test: $(DEV)  ## Run all tests.
	.venv-dev/bin/python -m pytest -n 2

check: $(DEV) lint types  ## Format, lint, types and tests.
	.venv-dev/bin/python -m pytest -n 2

format: $(DEV)  ## Format the code.
	.venv-dev/bin/ruff format .
	.venv-dev/bin/ruff check --fix .

lint: $(DEV)
	.venv-dev/bin/ruff format --check .
	.venv-dev/bin/ruff check .

types: $(DEV)
	.venv-dev/bin/mypy

$(BASE): constraints/base.txt pyproject.toml
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install $(PIP_FLAGS) -c constraints/base.txt -e .
	@touch $@

$(DEV): constraints/base.txt pyproject.toml
	$(PYTHON) -m venv .venv-dev
	.venv-dev/bin/python -m pip install $(PIP_FLAGS) -c constraints/base.txt -e '.[dev]'
	@touch $@

clean:  ## Remove environments and what the demo made.
	rm -rf .venv .venv-dev demo
