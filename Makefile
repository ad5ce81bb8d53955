# make demo    set up, train on synthetic frames, test on the other domain, table and pictures
# make test    set up, run the tests
# make benchmark   the demonstration's arms and the policy's controls over five seeds
# make soak        kill twenty trainings, resume them, compare bits
# make docs        build the documentation's site into build/site; every warning is an error
# Variables: TORCH   the torch requirement to install ("torch==2.6.0", a wheel's path, ...)
#            VENV    the environment; an existing one with torch in it is used as it is
#            PYTHON  the Python (>= 3.10) that makes the environment
#            PYTEST  switches of pytest; two processes of one thread each by default
#            EXTRA   the OpenMMLab family: onedl (maintained forks) or openmmlab (originals)
PYTHON ?= python3
VENV ?= .venv
TORCH ?= torch==2.13.0
EXTRA ?= onedl
PYTEST ?= -n 2 --dist loadfile
# The site needs none of torch or MMSegmentation: an environment of its own.
DOCS_VENV ?= .venv-docs
BIN := $(VENV)/bin
STAMP := $(VENV)/.mmasg-installed
export PYTHONWARNINGS ?= ignore

.PHONY: demo test benchmark soak lint docs setup clean

demo: setup
	$(BIN)/python tools/demo.py

benchmark: setup
	$(BIN)/python tools/compare_arms.py

test: setup
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(PYTEST)

soak: setup
	$(BIN)/python tools/soak.py

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(DOCS_VENV)/.installed
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build --strict --quiet
	@echo 'the site: build/site/start.html'

$(DOCS_VENV)/.installed: docs/requirements.txt
	test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install -q --disable-pip-version-check -r docs/requirements.txt
	@touch $@

setup: $(STAMP)

$(STAMP): setup.py constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if v >= (3, 10) else f"mmasg needs Python >= 3.10, found {v[0]}.{v[1]}; name another by: make PYTHON=python3.11 ...")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --disable-pip-version-check -U pip setuptools wheel
	$(BIN)/python -c 'import torch' 2>/dev/null || $(BIN)/python -m pip install -q --disable-pip-version-check '$(TORCH)'
	$(BIN)/python -m pip install -q --disable-pip-version-check -c constraints.txt -e '.[$(EXTRA),dev]'
	@touch $(STAMP)

clean:
	rm -rf build dist *.egg-info work_dirs
