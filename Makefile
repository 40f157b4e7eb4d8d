# Two commands do everything on a fresh Debian or Ubuntu: `make demo` and `make test`.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/ready

.PHONY: demo test quick check setup fmt lint type docs bench fuzz wrong-patient lock clean

demo: $(READY)            ## a hospital in a box on loopback
	$(BIN)/prefetch demo

test: $(READY)            ## every test, real peers included
	@deploy/ci/peers
	$(BIN)/pytest -n 2 --dist loadgroup

quick: $(READY)           ## unit and contract tests, with fewer examples of each property: for every day
	$(BIN)/pytest -n 2 --dist loadgroup --hypothesis-profile=quick tests/unit tests/contract

check: lint type test     ## what CI runs

setup: $(READY)

$(READY): pyproject.toml requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: apt install python3"; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { echo "python3-venv is missing: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --requirement requirements.lock
	$(BIN)/pip install --quiet --no-deps --editable .
	@touch $@

fmt: $(READY)
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format --quiet .

lint: $(READY)
	$(BIN)/ruff format --check --quiet .
	$(BIN)/ruff check --quiet .
	$(BIN)/lint-imports --no-cache > /dev/null || $(BIN)/lint-imports --no-cache
	$(BIN)/codespell prefetch rules docs tests README.md CHANGELOG.md

type: $(READY)
	$(BIN)/mypy

docs: $(READY)            ## write what is generated of the manual
	$(BIN)/python docs/generate.py

bench: $(READY)           ## figures, side by side with what a site would use instead (docs/benches.md)
	$(BIN)/python -m tests.bench.end_to_end --rounds 3
	$(BIN)/python -m tests.bench.acknowledge
	$(BIN)/python -m tests.bench.life

fuzz: $(READY)            ## a million messages gone wrong, then a fuzzer led by coverage
	$(BIN)/pip install --quiet --editable '.[fuzz]'
	$(BIN)/python -m tests.fuzz.million
	$(BIN)/python -m tests.fuzz.guided

wrong-patient: $(READY)   ## 10,000 people who could be taken for another (docs/how-to/tell-whose-images-they-are.md)
	$(BIN)/python -m tests.bench.wrong_patient --patients 10000 --seed 3

lock:                     ## resolve the dependencies anew
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/pip install --quiet uv
	$(VENV)-lock/bin/uv pip compile --quiet --universal --python-version 3.11 --extra dev --extra postgres --no-emit-index-url --no-emit-find-links --no-header --output-file requirements.lock pyproject.toml
	rm -rf $(VENV)-lock

clean:
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis
