# Everything a checkout can do. Needs Python 3.11 or newer and make; the rest is set up in .venv,
# from the lock files, by version and hash. `make demo` and `make test` are the two to know.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

# The first of these that is new enough. `make PYTHON=/path/to/python3.13 ...` overrides it.
PYTHON ?= $(shell for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null \
	&& { command -v "$$python"; break; }; done)

# Before 3.13 Python does not start under it where the path of the checkout is not ASCII: it cannot read where it lies.
ifneq ($(filter C POSIX,$(LC_ALL)),)
unexport LC_ALL
endif

# An environment whose Python is gone is none: its stamps go with it.
$(shell test -e .venv/bin/python || rm -rf .venv)

BIN := .venv/bin
COMPILE := $(BIN)/uv pip compile pyproject.toml --universal --python-version 3.11 --quiet \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock"

# Sets of packages: what the demo runs on, that plus what the tests and checks need, that plus what draws.
# A stamp is as old as the last set-up from its lock, so a second run starts at once.
DEMO := .venv/.demo-is-set-up
TEST := .venv/.test-is-set-up
BENCH := .venv/.bench-is-set-up

# A file that anybody could write is nobody's word, and some checkouts are made so (umask 0).
CLOSE := chmod -R o-w policies scenarios

.PHONY: help demo test lint docs lock bench bench-peers bench-growth bench-long bench-page campaign conformance clean \
	campaign-kills campaign-lives campaign-sequences campaign-histories campaign-mutations \
	campaign-properties campaign-least

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | while IFS=$$'\t' read -r target what; do \
		printf '  make %-20s %s\n' "$$target" "$$what"; done

demo: $(DEMO) ## play a story against real tool servers, then serve and say how to connect
	@umask 022; ! command -v git > /dev/null || $(BIN)/bulkhead play climb
	@umask 022; $(BIN)/python scenarios/demo.py

test: $(TEST) ## all tests
	@$(BIN)/pytest -n 2 --dist worksteal

lint: $(TEST) ## ruff and mypy
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(TEST) ## write the reference page of the commands again
	@$(BIN)/python -m tests.house.cli_page

lock: $(TEST) ## choose newest versions again and write the lock files
	$(COMPILE) --upgrade --all-extras --group build --group demo --group test --group lint -o requirements-test.lock
	$(COMPILE) -c requirements-test.lock --group build --group demo -o requirements-demo.lock
	$(COMPILE) -c requirements-test.lock --group build -o requirements.lock
	$(COMPILE) -c requirements-test.lock --all-extras --group build --group demo --group test --group lint --group bench \
		-o requirements-bench.lock
	@for peer in benchmarks/peers/python/*.in; do \
		$(subst pyproject.toml,"$$peer",$(COMPILE)) --upgrade -o "$${peer%.in}.lock"; done

bench: $(TEST) ## all scenarios in under ten minutes, medians and ratios of one run
	@$(BIN)/python -m benchmarks

bench-peers: $(TEST) ## the small call through other gateways, in the same rounds
	@$(BIN)/python -m benchmarks.peers

bench-growth: $(TEST) ## what a call costs beside millions of rows, thousands of rules, grants, sessions, tools
	@$(BIN)/python -m benchmarks.growth

bench-long: $(TEST) ## latency over a minute, memory over a million calls
	@$(BIN)/python -m benchmarks.long

bench-page: $(BENCH) ## write docs/explanation/performance.md from what these left in .bench
	@$(BIN)/python -m benchmarks --write

# How long the parts of the campaign are. A short look at it:
# make campaign KILLS=6 LIVES=3 SEQUENCES=10 HISTORIES=1 MUTATIONS=100 PROFILE=default
KILLS := 200
LIVES := 1000
SEQUENCES := 10000
HISTORIES := 700
MUTATIONS := 100000
PROFILE := campaign

CAMPAIGN := $(addprefix campaign-,kills lives sequences histories mutations properties least)

# With `make -k campaign` a part that fails does not keep the next from its turn.
campaign: $(CAMPAIGN) ## the long version of the property and fault tests

campaign-kills: $(TEST) ## gateways, rollbacks and journals killed under load
	@echo "== $(KILLS) kills each: gateways under load, rollbacks, journals"
	@BULKHEAD_TEST_KILLS=$(KILLS) $(BIN)/pytest -q -s tests/faults/test_kill.py tests/faults/test_undo.py tests/journals/test_sqlite_crash.py

campaign-lives: $(TEST) ## kills at every point of calls, rollbacks and scenes
	@echo "== at most $(LIVES) kills each, at every point of calls, rollbacks and scenes"
	@BULKHEAD_TEST_KILLS=$(LIVES) $(BIN)/pytest -q -s tests/faults/test_lives.py tests/faults/test_scenes.py

campaign-sequences: $(TEST) ## random sequences on the reference servers, taken back
	@echo "== $(SEQUENCES) random sequences on the reference servers, taken back"
	@$(BIN)/python -m tests.campaign $(SEQUENCES)

campaign-histories: $(TEST) ## histories taken back, forgotten, serial, traced
	@echo "== $(HISTORIES) histories each: taken back, forgotten, serial, traced"
	@BULKHEAD_TEST_SEQUENCES=$(HISTORIES) $(BIN)/pytest -q -s tests/properties/test_undo.py tests/properties/test_undo_promises.py \
		tests/properties/test_forgetting.py tests/properties/test_serial.py tests/properties/test_traces.py

campaign-mutations: $(TEST) ## mutations of evidence
	@echo "== $(MUTATIONS) mutations of evidence"
	@BULKHEAD_TEST_MUTATIONS=$(MUTATIONS) $(BIN)/pytest -q -s tests/evidence/test_audit.py

campaign-properties: $(TEST) ## every other property, with more examples
	@echo "== every other property, with the examples of the profile $(PROFILE)"
	@$(BIN)/pytest -q -n 2 --dist worksteal -m hypothesis --hypothesis-profile=$(PROFILE) tests

campaign-least: $(TEST) ## stories under the least policy that would do
	@echo "== stories under the least that would do, profile $(PROFILE)"
	@$(BIN)/pytest -q -s --hypothesis-profile=$(PROFILE) tests/scenarios/test_suggest.py

conformance: $(TEST) ## the official MCP conformance suite, directly and through the gateway, as a table
	@$(BIN)/python -m tests.conformance.table

clean: ## forget everything that was set up or cached
	rm -rf .venv .bench tests/node/node_modules tests/conformance/node/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(DEMO): requirements-demo.lock pyproject.toml .venv/bin/python
	@echo "Setting up .venv: about a minute the first time."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-demo.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(CLOSE)
	@touch $@

# The test set contains the demo's.
$(TEST): requirements-test.lock requirements-demo.lock pyproject.toml .venv/bin/python
	@echo "Setting up .venv for the tests: about a minute the first time."
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-test.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@$(CLOSE)
	@touch $(DEMO) $@

$(BENCH): $(TEST) requirements-bench.lock
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-bench.lock
	@touch $@

.venv/bin/python:
	@"$(or $(PYTHON),false)" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Bulkhead needs Python 3.11 or newer; $(if $(PYTHON),$(PYTHON) is none,none was found on PATH)." >&2; \
		echo "Name one with: make PYTHON=/path/to/python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv || { echo "Could not make .venv: on Debian, apt install python3-venv." >&2; exit 1; }
