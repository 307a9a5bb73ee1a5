# The verbs of this project. `make` alone lists them.
#
# Files stand for finished steps, so a second run does only what is due.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.NOTPARALLEL:
.DELETE_ON_ERROR:

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON

# Python keeps what it compiles, wherever that is turned off: else each of the many processes that
# the tests start compiles all that it imports, which takes more than half of their time.
export PYTHONDONTWRITEBYTECODE :=

# Certificates: what this computer trusts (a laboratory's proxy too), where it says what that is.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt),)
export UV_SYSTEM_CERTS := 1
export NODE_USE_SYSTEM_CA := 1
endif

packages := .venv/.installed
web_packages := web/node_modules/.installed
app := src/opsin/server/static/index.html
spread := --hypothesis-profile ci --dist loadfile --no-loadscope-reorder --durations 30 --durations-min 2
# One process more than there are cores: tests wait for processes and for time. Those in a browser draw.
cores := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
demo := .cache/demo.ome.zarr
web_sources := $(shell find web/src -not -name '*.test.ts*') \
	web/index.html web/vite.config.ts web/tsconfig.json

say = @printf '\033[36m==>\033[0m %s\n'

.PHONY: help setup run test check style types vitest pytest again stress slow fix bench docs wheel lock clean

help: ## list the verbs
	@sed -nE 's/^([a-z]+):.*## (.*)/\1|\2/p' $(MAKEFILE_LIST) | \
		while IFS='|' read -r verb what; do printf '  make %-6s  %s\n' "$$verb" "$$what"; done

setup: $(packages) $(web_packages) $(app) ## make .venv with all packages, and build the web app
	@scripts/setup.sh chromium
	@scripts/setup.sh bubblewrap
	$(say) "Ready: .venv/bin/opsin"

run: $(packages) $(web_packages) $(app) $(demo)/zarr.json ## make a 16384² demo image and open it
	$(say) "Opening $(demo) (Ctrl+C stops)"
	@opsin view $(demo)

test: $(packages) $(web_packages) $(app) ## set up, then run every check and test
	@scripts/setup.sh chromium --required
	@scripts/setup.sh bubblewrap --required
	@scripts/setup.sh screen --required
	@$(MAKE) --no-print-directory style vitest
	$(say) "Types: mypy and tsc, beside the tests, which wait for much; said at the end"
	@mkdir -p .cache; \
	nice -n 10 $(MAKE) --no-print-directory types >.cache/types.txt 2>&1 & \
	types=$$!; status=0; \
	$(MAKE) --no-print-directory pytest || status=$$?; \
	wait $$types || status=$$?; \
	cat .cache/types.txt; exit $$status

check: style types ## style, types and imports, in Python and TypeScript

style: $(packages) $(web_packages)
	$(say) "Style of Python: ruff"
	@ruff check --quiet . && ruff format --quiet --check --diff .
	$(say) "Imports of Python: import-linter"
	@said=$$(lint-imports --no-cache 2>&1) || { echo "$$said"; exit 1; }
	$(say) "Style of TypeScript: Biome"
	@cd web && npm run --silent lint
	$(say) "Imports of TypeScript: dependency-cruiser"
	@cd web && npm run --silent imports

types: $(packages) $(web_packages)
	$(say) "Types of Python: mypy"
	@mypy $(wildcard src tests examples benchmarks *.py)
	$(say) "Types of TypeScript: tsc"
	@cd web && npm run --silent types

vitest: $(web_packages)
	$(say) "Tests of the web app: vitest"
	@cd web && npm run --silent test

windows := tests/end_to_end tests/napari_plugin
kept := -o cache_dir=.cache/pytest-windows

pytest: $(packages) $(app) $(demo)/zarr.json
	$(say) "Tests: pytest, then those of windows (the browser's and napari's), whichever fail"
	@status=0; \
	pytest $(spread) -n $$(($(cores) + 2)) --maxprocesses 4 -m "not slow" $(windows:%=--ignore %) || status=$$?; \
	pytest $(spread) $(kept) --cache-clear -n $$(($(cores) + 1)) --maxprocesses 3 -m "not slow" $(windows) || \
	$(MAKE) --no-print-directory again || status=$$?; \
	exit $$status

again: # docs/decisions/0054
	$(say) "Once more, alone: what failed in a window. What passes now failed above all the same, and is to be mended"
	@[ $$(grep -c true .cache/pytest-windows/v/cache/lastfailed) -le 3 ] || { echo "More than three: not tried again"; exit 1; }
	@pytest $(kept) --hypothesis-profile ci --last-failed --last-failed-no-failures none -v $(windows)

stress: $(packages) $(app) $(demo)/zarr.json ## all tests at once with more processes than cores, to find those that fail now and then
	$(say) "Tests: pytest, with five processes, nothing twice"
	@pytest $(spread) -n 5 -m "not slow"

slow: $(packages) $(app) ## the tests that `make test` leaves out: long ones that test nothing new
	$(say) "Slow tests: pytest"
	@pytest -m slow

fix: $(packages) $(web_packages) ## repair what can be repaired: format, import order, simple lint
	$(say) "Repairing Python: ruff"
	@ruff check --fix . ; ruff format .
	$(say) "Repairing TypeScript: Biome"
	@cd web && npm run --silent fix

bench: $(packages) $(app) ## run each benchmark, quickly (FULL=1: at full size)
	@for file in benchmarks/*.py; do \
		printf '\033[36m==>\033[0m %s\n' "$$file"; python "$$file" $(if $(FULL),,--quick) || exit 1; done

docs: $(packages) ## check what the pages say: links, commands, folders
	$(say) "Checking the docs"
	@pytest -q tests/test_architecture.py $(wildcard tests/test_docs.py)

wheel: $(packages) $(app) ## build the wheel into dist/
	$(say) "Building the wheel"
	@python -m hatchling build --target wheel

lock: $(packages) ## re-make the locks with the newest versions
	$(say) "Locking the packages of Python and of the web app"
	@scripts/lock.sh

clean: ## remove everything that is not in git and that make makes
	$(say) "Removing .venv, web/node_modules, builds and caches"
	@rm -rf .venv .cache dist web/node_modules src/opsin/server/static
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

# --- the steps ---------------------------------------------------------------------------------

$(packages): requirements/uv.txt requirements/dev.txt pyproject.toml hatch_build.py
	@scripts/setup.sh python

$(web_packages): web/package.json web/package-lock.json web/.npmrc | $(packages)
	@scripts/setup.sh web

$(app): $(web_sources) $(web_packages)
	@scripts/setup.sh app

# Made beside its place and moved there, so that an interrupted run leaves no half image behind.
$(demo)/zarr.json: examples/make_demo.py | $(packages)
	$(say) "Making the demo image, 16384 × 16384 pixels, from tests/data"
	@rm -rf $(demo) .cache/making && mkdir -p .cache/making
	@python examples/make_demo.py .cache/making/demo.ome.zarr
	@mv .cache/making/demo.ome.zarr $(demo) && rmdir .cache/making
