# make demo    install, get the weights, scan real sample media, match them, print the report
# make test    everything the tests need, then the tests
# make check   ruff, mypy, import rules, docs

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# The team's folder of weights that only public repositories have, where there is one beside this checkout.
MIRROR := $(if $(wildcard ../shared/weights),HIVESCAN_MIRROR=../shared/weights,)

.PHONY: install demo test check docs format clean

install: $(READY)

$(READY): pyproject.toml constraints.txt scripts/system_packages.sh
	sh scripts/system_packages.sh
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

demo: $(READY)
	sh scripts/demo.sh

test: $(READY)
	$(MIRROR) $(BIN)/hivescan models pull --all --accept-licence nudenet --quiet
	$(BIN)/python -m pytest -n 2 --dist worksteal $(PYTEST_ARGS)

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/cli_reference.py --check
	$(BIN)/python scripts/heads_page.py --check

docs: $(READY)
	$(BIN)/python scripts/cli_reference.py
	$(BIN)/python scripts/heads_page.py
	$(BIN)/python scripts/bench/quality_table.py --write

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) demo build dist .pytest_cache .mypy_cache .ruff_cache
