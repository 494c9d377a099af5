.DEFAULT_GOAL := help
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
# The first Python of at least 3.11 on the path, unless one is given: make demo PYTHON=python3.12
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

# What the tests of pages look for, in this order; REGARD_CHROMIUM names another.
BROWSERS := $(REGARD_CHROMIUM) chromium chromium-browser google-chrome
APT := DEBIAN_FRONTEND=noninteractive apt-get

.PHONY: help demo test test-slow check browser format docs clean

help: ## show this help
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## install what the main job needs, then run it: regard compare
	$(BIN)/regard compare

test: $(VENV)/dev.stamp browser check ## install everything, then lint, check types and run the tests
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup

test-slow: $(VENV)/dev.stamp ## the tests that take longer
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadgroup -m slow

check: $(VENV)/dev.stamp ## lint and check types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

browser: ## install Debian's Chromium for the tests of pages, where there is none
	@for one in $(BROWSERS); do command -v "$$one" >/dev/null && exit 0; done; \
	if command -v apt-get >/dev/null && [ "$$(id -u)" = 0 ]; then \
		echo "installing Chromium for the tests of pages"; \
		$(APT) install -qq -y chromium >/dev/null \
		|| { $(APT) update -qq && $(APT) install -qq -y chromium >/dev/null; } && exit 0; \
	fi; \
	echo "################################################################################"; \
	echo "NO BROWSER on the path: tests of pages skip, unless Playwright has one of its own."; \
	echo "    apt-get install chromium    (as root), or    $(BIN)/playwright install chromium"; \
	echo "################################################################################"

format: $(VENV)/dev.stamp ## put the code into its form
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.stamp ## write the pages and tables that follow from the mechanisms
	$(BIN)/python -m regard.handbook

clean: ## remove the environment and what tools left behind
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "regard needs Python 3.11 or newer; say make PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/demo.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[data]'
	@touch $@

$(VENV)/dev.stamp: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[vision,text,data,export,dev]'
	@touch $@
