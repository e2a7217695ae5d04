# The verbs of this house; `make help` lists them.
PYTHON ?= python3
BIN = .venv/bin
DATA ?= var

.PHONY: help demo test test-long lint types format bench fuzz attack docs interfaces lock assets

help:  ## list the verbs
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' Makefile

demo: .venv/run.stamp assets  ## set everything up and run a living province on http://127.0.0.1:8000
	$(BIN)/tuetinh demo --data $(DATA)

test: .venv/dev.stamp assets  ## set up what the tests need and run them, and of the long files another fifth each day
	$(BIN)/python tools/test_packages.py
	$(BIN)/lint-imports
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q --long fifth

test-long: .venv/dev.stamp assets  ## run all of the long tests
	$(BIN)/python tools/test_packages.py
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder -q -m long

lint: .venv/dev.stamp  ## style, imports between modules
	$(BIN)/ruff check src tools bench
	$(BIN)/ruff format --check src tools bench
	$(BIN)/lint-imports

types: .venv/dev.stamp  ## strict types on the record, the commons and the node
	$(BIN)/mypy

format: .venv/dev.stamp  ## put the code in its form
	$(BIN)/ruff check --fix src tools bench
	$(BIN)/ruff format src tools bench

bench: .venv/dev.stamp assets  ## measure on this machine, with its facts
	$(BIN)/python -m bench

fuzz: .venv/dev.stamp  ## ask the whole FHIR API and the machines' lines at random, for half an hour or so
	$(BIN)/pytest -q -n 2 --hypothesis-profile long src/tuetinh/record/tests/test_api_survives_anything.py \
		src/tuetinh/record/tests/test_api_is_as_described.py
	$(BIN)/pytest -q --hypothesis-profile long -k "bytes or mutated" src/tuetinh/care/lab/machines/tests

attack: .venv/dev.stamp assets  ## let sqlmap (Debian) and wapiti work on a node for long
	$(BIN)/uv venv -q --allow-existing $(DATA)/attack
	$(BIN)/uv pip install -q --python $(DATA)/attack/bin/python wapiti3==3.2.3
	TUETINH_ATTACK_SECONDS=900 TUETINH_WAPITI=$(abspath $(DATA)/attack/bin/wapiti) \
		$(BIN)/pytest -q src/tuetinh/node/tests/test_tools_of_attackers.py

docs: .venv/dev.stamp assets  ## remake the pictures of the documentation
	$(BIN)/pytest -q -m browser --screenshots docs/pictures

interfaces: .venv/dev.stamp  ## remake the list of interfaces, docs/api.md
	$(BIN)/python tools/interfaces.py

assets: .venv/run.stamp
	@$(BIN)/python tools/assets/build.py
	@$(BIN)/python tools/messages.py --compile
	@$(BIN)/python -m compileall -q src  # also where Python is told to keep no bytecode: every command starts sooner

lock:  ## renew the locked requirements; what runs has the versions that are tested
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra build --extra dev -o requirements/dev.lock
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate -q pyproject.toml --extra build -c requirements/dev.lock -o requirements/run.lock

.venv/run.stamp: requirements/run.lock pyproject.toml tools/setup.py
	$(PYTHON) tools/setup.py run

.venv/dev.stamp: requirements/dev.lock pyproject.toml tools/setup.py
	$(PYTHON) tools/setup.py dev
	@touch .venv/run.stamp
