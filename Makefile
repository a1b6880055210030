# make demo         the demo in the browser; prints its URL
# make test         lint, types, import contracts, tests
# make walks        the long walks through the page and the server, which make test leaves out
# make parity       our loader against ibllib itself (a 2 GB environment of its own)
# make bench        the figures of docs/performance.md
# make screenshots  the pictures of docs/images
# make docs         the generated reference pages, and the site that the program serves under /docs

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV := .venv
PARITY := .venv-parity
BIN := $(VENV)/bin
PIP := -m pip install -qq --disable-pip-version-check --no-input
SITE := assets/server/docs
PYTEST_ARGS ?=
# Once for all, and not in every process of the tests at the same time.
KERNELS := from dashboard.engine.warmup import compile_kernels; from dashboard.analysis.warmup import compile_unit_kernels; compile_kernels(); compile_unit_kernels()
export PYTHON
# Each process would compile the modules of the package, and of the tests, anew.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := demo
.PHONY: demo test fuzz smoke lint types contracts pytest walks parity bench screenshots docs clean

demo: $(VENV)/.runtime
	$(BIN)/spike-dashboard demo

test: lint types contracts pytest

fuzz: $(VENV)/.test
	FOLDERS=5000 $(BIN)/pytest -v tests/library/test_random_folders.py

lint: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test
	$(BIN)/mypy

contracts: $(VENV)/.test
	$(BIN)/lint-imports

pytest: $(VENV)/.test
	.ci/system nginx nginx-light
	.ci/system chromium chromium
	.ci/system firefox-esr firefox-esr
	.ci/system fonts fonts-dejavu-core fontconfig
	$(BIN)/python -c "$(KERNELS)"
	rm -f .pytest_cache/v/cache/lastfailed
	$(BIN)/python -m pytest -n 3 --dist loadfile --durations 15 -m "not walk" $(PYTEST_ARGS) \
		|| $(BIN)/python .ci/again

walks: $(VENV)/.test
	.ci/system nginx nginx-light
	.ci/system chromium chromium
	$(BIN)/python -m pytest -m walk $(PYTEST_ARGS)

# With the runtime dependencies alone, so that one that only the tests bring cannot hide.
smoke: $(VENV)/.runtime
	$(BIN)/python -W error -c 'import importlib, pkgutil, dashboard; \
		[importlib.import_module(m.name) for m in pkgutil.walk_packages(dashboard.__path__, "dashboard.")]'
	$(BIN)/spike-dashboard check demo --spikes 20000 --cache $(VENV)/smoke

parity: $(PARITY)/.installed
	$(PARITY)/bin/python -m pytest -c tests/parity/pytest.ini tests/parity tests/analysis -k "parity or brainbox" $(PYTEST_ARGS)

bench: $(VENV)/.test
	.ci/system chromium chromium
	$(BIN)/python -m benchmarks.run

screenshots: $(VENV)/.test
	.ci/system chromium chromium
	$(BIN)/python docs/screenshots.py

docs: $(VENV)/.test
	for page in config.reference:settings cli.reference:commands page.link_reference:links; do \
		$(BIN)/python -m dashboard.$${page%:*} > docs/$${page#*:}.md.new \
			&& mv docs/$${page#*:}.md.new docs/$${page#*:}.md || exit 1; \
	done
	rm -rf $(SITE)
	$(BIN)/python -m sphinx -W --keep-going -q -d $(VENV)/doctrees docs $(SITE)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" && $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.11" >&2; exit 1; }
	.ci/system venv python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.runtime: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e .
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(BIN)/python $(PIP) -c constraints.txt -e '.[test,cluster,docs]'
	@touch $@ $(VENV)/.runtime

# Of its 14,000 modules a third is imported, and compiled then.
$(PARITY)/.installed: pyproject.toml constraints-parity.txt
	.ci/system venv python3-venv
	$(PYTHON) -m venv $(PARITY)
	$(PARITY)/bin/python $(PIP) --no-compile -c constraints-parity.txt -e '.[parity]' pytest pytest-timeout hypothesis
	@touch $@

clean:
	rm -rf $(VENV) $(PARITY) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
