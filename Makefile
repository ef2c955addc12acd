# The two commands of the README, and what carries them. Needs python3 (3.11 or newer) and make.
PYTHON ?= python3
SECONDS ?= 20
BIN := .venv/bin

.PHONY: demo test test-compiled lint lock peers canaries worlds dst micro clean

demo: .venv/run.stamp
	$(BIN)/hotloop demo --seconds $(SECONDS)

test: .venv/dev.stamp peers
	$(BIN)/python -m pytest

# All tests on the compiled build too, and each build's run replayed by the other: some minutes.
test-compiled: .venv/dev.stamp
	$(BIN)/python -m tools.compiled --test

lint: .venv/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The public clients that the exchange is tested with, each in an environment of its own (docs/peers.md
# names more).
peers: .peers/clients/ccxt/installed.stamp .peers/clients/python-binance/installed.stamp
.peers/clients/%/installed.stamp: tools/peers/%/requirements.txt .venv/run.stamp
	$(BIN)/python -m tools.peer_clients --install --client $*

# Rules broken on purpose, each of which has to be noticed: at Binance all of them, at Kraken one in PARTS,
# which ones follows from the commit.
PARTS ?= 3
PART = $(shell echo $$((0x$$(git rev-parse --short=7 HEAD 2>/dev/null || echo 0) % $(PARTS) + 1)))/$(PARTS)
canaries: .venv/dev.stamp
	$(BIN)/hotloop dst --canary all --venue kraken --part $(PART)
	$(BIN)/hotloop dst --canary all

# Simulated worlds that were seen to live: they stay so.
worlds: .venv/dev.stamp
	$(BIN)/hotloop dst --first 70000 --seeds 60
	$(BIN)/hotloop dst --venue kraken --first 70000 --seeds 12

# Simulated worlds for MINUTES, and a few of the whole process, with seeds that follow from the commit
# (fixed ones without git).
MINUTES ?= 1
FIRST = $(shell printf '%d' "0x$$(git rev-parse --short=7 HEAD 2>/dev/null || echo f4240)")
dst: .venv/dev.stamp
	$(BIN)/hotloop dst --ring world --first $(FIRST) --seeds 4
	$(BIN)/hotloop dst --first $(FIRST) --minutes $(MINUTES)

# What each call costs, in rounds of a loop beside it; the least of many short runs counts.
micro: .venv/dev.stamp
	$(BIN)/hotloop bench --micro --check tools/bench/budgets.json

# Every package is pinned with its hashes; the last step adds this checkout itself, without the network.
.venv/run.stamp: requirements.lock pyproject.toml
	$(BIN)/python -m pip --version > /dev/null 2>&1 || $(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev.stamp: requirements-dev.lock .venv/run.stamp
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	touch $@

# Renews both locks from pyproject.toml (wants uv on the PATH). The files name no registry.
LOCK := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links
lock:
	$(LOCK) --extra build -o requirements.lock pyproject.toml
	$(LOCK) --extra build --extra dev -c requirements.lock -o requirements-dev.lock pyproject.toml

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
