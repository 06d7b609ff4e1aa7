# Every target makes .venv first where it is missing or old; Python 3.11+ and make are all it needs.
# Another Python: make PYTHON=/path/to/python3.13 test. Arguments: make test ARGS="-k refund -x".
# Tests run in one process more than there are cores, at most four, a file in one of them; in this one with ARGS="-n 0", as for --pdb.
RUN := .venv/bin/python
SOURCES := gatework workflows activities guards tests examples bench showcase docs documents $(wildcard *.py)
export PYTHON
# Hundreds of processes import the project here: without bytecode each of them compiles it anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup demo test search servers check lint format types mutants crash histories smoke lock clean

help:  ## List the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 12

setup:  ## Make .venv from requirements.lock
	@sh scripts/setup.sh

demo: setup  ## Run refund mails through a real model on a real Temporal server
	@$(RUN) demo.py $(ARGS)

test: setup  ## Run all tests
	@$(RUN) tests/mcp/servers/install.py || echo "Their tests are skipped." >&2
	@# A process of tests that dies is not replaced: the one that takes its place would wait for ever for its files.
	@$(RUN) -m pytest -n auto --dist loadfile --no-loadscope-reorder --max-worker-restart 0 $(ARGS)

TAMPERING = $(addprefix tests/proof/test_,$(addsuffix .py,tampering recorded weakened signers mutilated))

search: setup  ## Search the machine through every plan, and run random ones both ways; `make test` takes samples
	@GATEWORK_SEARCH=1 $(RUN) -m pytest tests/unit/machine/test_machine_exhaustive.py tests/unit/machine/test_machine_nested.py \
		tests/unit/machine/test_migration.py tests/differential $(TAMPERING) -m slow $(ARGS)

servers: setup  ## Install the MCP servers of others that the tests use (`make test` does so, too)
	@$(RUN) tests/mcp/servers/install.py

check: lint types  ## Run every check that is not a test

lint: setup  ## Check style, formatting, the layers and the lock files of plans
	$(RUN) -m ruff check .
	$(RUN) -m ruff format --check .
	.venv/bin/lint-imports
	.venv/bin/gatework plan check

format: setup  ## Format the code, and mend what ruff can mend
	$(RUN) -m ruff check --fix .
	$(RUN) -m ruff format .

types: setup  ## Check the types with mypy and pyright
	$(RUN) -m mypy $(SOURCES)
	PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(RUN) -m pyright

mutants: setup  ## Delete each check of the machine in turn; some test must fail
	@$(RUN) tests/mutation.py $(ARGS)

crash: setup  ## Kill workers and the server hundreds of times, and count payments (ARGS="--kills 200 --seed 1")
	@$(RUN) -m tests.crash $(ARGS)

histories: setup  ## Record the histories that a released plan keeps for replay, after `gatework plan lock`
	@$(RUN) -m tests.crash.record

smoke: setup  ## Run each bench for a moment
	$(RUN) bench/overhead.py --runs 1 --together 2 --rounds 1
	$(RUN) bench/model_rates.py --seeds 1 --only 0001
	$(RUN) bench/tool_calls.py --temperatures 0 --only 1
	$(RUN) bench/log_events.py --rounds 1
	$(RUN) bench/long.py --smoke

lock: setup  ## Write requirements.lock anew from pyproject.toml (newer versions: ARGS=--upgrade)
	.venv/bin/uv pip compile --quiet --universal --generate-hashes --all-extras --group dev \
		--custom-compile-command "make lock" pyproject.toml --output-file requirements.lock $(ARGS)
	@! grep -n '://' requirements.lock || { echo "requirements.lock names a host; see docs/adr/0003." >&2; exit 1; }

clean:  ## Remove .venv and everything that the tools have cached
	rm -rf .venv .mcp-servers .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
