# A fresh machine needs Python 3.10 or newer and a package registry; everything else is made here.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
INSTALLED_BENCH := .venv/.installed-bench
INSTALLED_DOCS := .venv/.installed-docs
# Those that need no data folder and take minutes; the others are run by hand.
BENCHMARKS := benchmarks/index_search.py benchmarks/transport.py

.DELETE_ON_ERROR:
.PHONY: setup demo test test-browser lint bench docs

setup: $(INSTALLED)

$(BIN)/python:
	$(PYTHON) -m venv .venv

# What a user installs. Again into the same environment, it brings every package to its pinned version.
$(BIN)/optical: pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable .
	touch $@

# That, and what tests and checks need.
$(INSTALLED): pyproject.toml requirements.lock | $(BIN)/python
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev]'
	touch $@

# The rivals that benchmarks measure against.
$(INSTALLED_BENCH): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev,bench]'
	touch $@

# What builds the documentation.
$(INSTALLED_DOCS): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev,docs]'
	touch $@

demo: $(BIN)/optical
	rm -rf demo
	$(BIN)/optical demo --output demo

# As many at a time as there are cores, since few tests use more than one.
test: $(INSTALLED)
	$(BIN)/pytest --numprocesses auto --dist worksteal

# The page in a real Chromium, which comes along, with what it needs of the system where that can be installed.
test-browser: $(INSTALLED)
	$(BIN)/python -m pip install --quiet --constraint requirements.lock --editable '.[dev,browser]'
	$(BIN)/playwright install --with-deps chromium || $(BIN)/playwright install chromium
	$(BIN)/pytest tests/serving/test_page_in_browser.py

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(INSTALLED_BENCH)
	set -e; for benchmark in $(BENCHMARKS); do $(BIN)/python $$benchmark; done
	$(BIN)/python benchmarks/write_tables.py

# The site, in site/; a broken link or an unknown name is an error.
docs: $(INSTALLED_DOCS)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
