# Two commands: `make demo` and `make test`. Both set up .venv by themselves.
PYTHON ?= python3.11
BIN := .venv/bin

.PHONY: demo test long lint bench docs docs-test docs-links lowest prerelease clean

.venv/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[dev]"
	touch $@

demo: .venv/installed
	$(BIN)/xai4land demo

test: .venv/installed
	$(BIN)/python -m pytest -n auto

# What takes minutes and needs programs of its own: a training on a SLURM of one node, runs of YAC.
long: .venv/installed
	XAI4LAND_LONG=1 $(BIN)/python -m pytest tests/engine/test_slurm.py \
		tests/engine/test_yac.py tests/land/test_yac_leaf_area.py

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/mypy

bench: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[bench]"
	$(BIN)/python benchmarks/run.py

# The site, offline; a warning or a broken link is an error. `make docs EXAMPLES=no` does not run the
# gallery's examples, which takes most of the time.
docs: .venv/docs
	EXAMPLES=$(EXAMPLES) $(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	$(BIN)/python docs/site/check_links.py docs/_build/html

# Every page in a headless Chromium: needs chromium and chromium-driver, as Debian has them.
docs-test:
	$(BIN)/python docs/site/open_pages.py docs/_build/html

# Links that lead elsewhere: needs a network.
docs-links: .venv/docs
	EXAMPLES=no $(BIN)/python -m sphinx -b linkcheck -q docs docs/_build/links

.venv/docs: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	touch $@

# The tests with the lowest versions that pyproject.toml allows, and with coming ones; torch is CI's.
lowest:
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) .ci/bounds.py lowest > .venv-lowest/constraints.txt
	.venv-lowest/bin/python -m pip install --quiet -c .venv-lowest/constraints.txt -e ".[test]"
	.venv-lowest/bin/python -m pytest -n auto

prerelease:
	$(PYTHON) -m venv .venv-prerelease
	grep ^torch== constraints.txt > .venv-prerelease/constraints.txt
	.venv-prerelease/bin/python -m pip install --quiet -c .venv-prerelease/constraints.txt -e ".[test]"
	.venv-prerelease/bin/python -m pip install --quiet --upgrade --pre \
		-c .venv-prerelease/constraints.txt $$($(PYTHON) .ci/bounds.py names)
	.venv-prerelease/bin/python -m pytest -n auto

clean:
	rm -rf .venv .venv-lowest .venv-prerelease demo build dist
	rm -rf docs/_build docs/examples docs/reference/generated
