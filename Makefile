# make book   render the executed book to _build/html/index.html
# make test   lint, unit tests, doctests
# See README.md; `make help` lists everything.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
INSTALLED := .venv/installed
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
UV := uv==0.13.9
# A process for every core, with one thread each: the tests are many and small.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n auto

# Everything here is UTF-8, whatever the locale says.
export PYTHONUTF8 := 1

# What a GPU is wanted for, the most valuable first, and how long it is there.
GPU_SWEEPS := paper_noise published field backbones reference
MINUTES ?= 25

.PHONY: help book notebooks pdf slides assignment test coverage test-slow check-notebooks release-check
.PHONY: test-matrix test-adapters gpu lab clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*##/\t/'

# The stamp comes last, so an install that fails half-way is tried again. pip chooses torch, since its
# settings say which build. uv installs the rest, faster; it knows nothing of pip's settings, so pip
# does all where these name an index, and where uv cannot be had or fails.
$(INSTALLED): requirements.txt pyproject.toml
	$(PYTHON) -m venv .venv
	$(PIP) --no-deps $$(grep ^torch== requirements.txt)
	! $(BIN)/pip config list | grep -q '\.index-url=' && $(PIP) $(UV) \
	  && $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -r requirements.txt \
	  || $(PIP) -r requirements.txt
	touch $@

# Sphinx does not read an unchanged page again, so a warning would be seen once and never more:
# after a failure the page state goes. Executed notebooks stay in their cache.
book: $(INSTALLED)  ## execute every chapter and render the book, warnings as errors
	$(BIN)/jupyter-book build . --warningiserror --keep-going \
	  || { rm -rf _build/html _build/.doctrees; exit 1; }

# Every build of the book writes them.
notebooks: book  ## the chapters as plain notebooks: _build/notebooks/{reader,student,instructor}
	@echo "in _build/notebooks:" && ls _build/notebooks

test: $(INSTALLED)  ## lint, unit tests and doctests
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(PYTEST) --dist loadfile -q

coverage: $(INSTALLED)  ## the tests of make test, at half the speed, and the lines that none of them runs
	$(PYTEST) --dist loadfile --cov --cov-report=term -q

test-slow: $(INSTALLED) book  ## what takes minutes: the rendered pages in a browser, full-size data
	$(PYTEST) --dist worksteal -m slow -q

gpu: $(INSTALLED)  ## with a GPU: the runs that want one, for MINUTES=25
	$(BIN)/python -m bslutils sweep $(GPU_SWEEPS) --size full --device cuda --minutes $(MINUTES)

check-notebooks: notebooks  ## run built notebooks with the package alone; NOTEBOOKS="reader/intro …" for some
	.ci/check-notebooks $(NOTEBOOKS)

release-check:  ## build the package, look at what came out, install it into an empty environment, use it
	.ci/release-check

test-matrix:  ## the package's tests with the oldest and the newest versions that it allows
	.ci/test-matrix

test-adapters:  ## the adapters inside the libraries that they are for
	.ci/test-adapters

pdf: $(INSTALLED) book  ## the book as one file, _build/bsl-book.pdf; needs Debian's chromium
	$(BIN)/python book/_ext/pdf.py

slides: $(INSTALLED) book  ## for teachers: decks of the chapters' figures, with notes, in _build/slides
	$(BIN)/python slides/make.py

assignment: $(INSTALLED)  ## for teachers: 'Design a loss', with and without its solution
	$(BIN)/python assignment/notebook.py

# The setting lives in .venv, so that nothing outside this folder changes.
lab: $(INSTALLED)  ## open JupyterLab; the .md chapters open as notebooks, theorems and exercises rendered
	$(BIN)/jupytext-config --settings-file .venv/etc/jupyter/labconfig/default_setting_overrides.json set-default-viewer
	$(BIN)/jupyter lab intro.md

clean:  ## remove the environment and everything built
	rm -rf .venv _build build *.egg-info .pytest_cache .ruff_cache .hypothesis .coverage
