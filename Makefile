# make setup | demo | demo-detection | test | bench | lint | docs
# make demo DEMO=smoke                   PYTHON=/path/to/python: your own environment instead of .venv
#                                        BOOTSTRAP=python3.11: the interpreter that makes .venv
#                                        TORCH_INDEX=URL: where to look for torch besides the default index
PYTHON ?=
BOOTSTRAP ?= python3
DEMO ?= full

RUN := $(if $(PYTHON),$(PYTHON),.venv/bin/python)
# One thread for each of the two workers; what is about threads runs alone, with two.
PYTEST := $(RUN) -m pytest --durations=10

# Threads that spin for long while they wait make a busy machine several times slower.
export GOMP_SPINCOUNT ?= 10000

.PHONY: setup demo demo-detection test lint bench docs

setup:
	@$(BOOTSTRAP) tools/setup_env.py $(if $(PYTHON),--python "$(PYTHON)")

demo: setup
	$(RUN) tools/demo.py --preset $(DEMO)

demo-detection: setup
	$(RUN) tools/demo_detection.py --preset $(DEMO)

test: setup
	@status=0; \
	OMP_NUM_THREADS=1 $(PYTEST) -n 2 -m "not two_threads" || status=1; \
	OMP_NUM_THREADS=2 $(PYTEST) -m two_threads || status=1; \
	exit $$status

lint: setup
	@status=0; \
	$(RUN) -m ruff check . || status=1; \
	$(RUN) -m ruff format --check --quiet . || status=1; \
	exit $$status

bench: setup
	$(RUN) benchmarks/bm_all.py

# The site needs nothing of the project, so it is built in an environment of its own.
.venv-docs/installed: docs/requirements.txt
	$(BOOTSTRAP) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	touch $@

docs: .venv-docs/installed
	.venv-docs/bin/python -m mkdocs build --strict
