# Everything a fresh clone needs is installed by the targets themselves: Python 3.13, Node and make are enough.
PYTHON ?= $(shell command -v python3.13 || command -v python3)
BIN := .venv/bin
JOBS ?= 5  # test processes; most of a test is waiting
PYTEST = $(BIN)/pytest -q -n $(JOBS) --dist loadgroup --no-loadscope-reorder
export PYTHONDONTWRITEBYTECODE :=  # compiled once, not by every process that a test starts
LINES ?= 2500
INVOICES ?= 1
CODE := function_app.py confirm_invoice sync_actuals link_transactions run_jobs operate write_back relay_contract shared devhost simulators relay_cli benchmarks infra tests

.PHONY: demo test test-all prove screenshots openapi check bench package start setup format upgrade-deps clean

demo: setup  ## carry an invoice of 2,500 lines from a simulated Dataverse to a simulated Finance
	@$(BIN)/python -m simulators.demo --lines $(LINES) --invoices $(INVOICES) $(if $(KEEP),--keep) $(if $(BREAK),--break $(BREAK)) $(if $(COLUMNS),--columns $(COLUMNS))

test: setup .local/chromium.done check  ## the quick tier, on the real Azurite and real processes; tests/tiers.py says what is in it
	$(PYTEST) --tier quick

test-all: setup .local/chromium.done  ## all tests that `make test` leaves out, but the long forms of `make prove`
	$(PYTEST) --tier full

prove: setup  ## the long form of every proof, into the table of docs/reliability.md; goes on with what has not passed; PART=machine
	@$(BIN)/python -m tests.proof $(if $(SEED),--seed $(SEED)) $(foreach part,$(PART),--part $(part))

screenshots: setup .local/chromium.done  ## every screen of the operator's page, dark and light, into docs/screenshots
	@$(BIN)/python -m tests.page.screenshots

openapi: setup  ## the OpenAPI documents of the app, 3.1 and 2.0, into docs/
	@$(BIN)/python -m relay_contract docs

check: setup  ## formatter, linter, types, and which package may import which
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --cache-dir .local/imports

bench: setup  ## against what people use today and against the wire; QUICK=1 for small sizes; writes docs/benchmarks.md
	@$(BIN)/python -m benchmarks $(if $(QUICK),--quick)

package:  ## the zip that Azure takes, with its dependencies inside, into .local/; `azd up` builds its own
	@$(PYTHON) -m infra.package --zip

start: setup  ## the function app alone, with local.settings.json; Core Tools if they are there
	@if command -v func >/dev/null; then func start; else $(BIN)/python -m devhost; fi

format: setup
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

upgrade-deps:  ## the newest versions of all packages into the pins of Python and Node; then run all tests
	$(PYTHON) .ci/upgrade_dependencies.py

setup: .local/python.done .local/node.done

.local/python.done: pyproject.toml requirements.txt requirements-dev.txt constraints.txt
	@mkdir -p .local
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 13) else "Python 3.13 is needed, this is " + sys.version)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $@

.local/node.done: package.json package-lock.json
	@mkdir -p .local
	npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# A browser for the tests of the operator's page: whichever is there, else Debian's; CHROMIUM names another.
.local/chromium.done:
	@mkdir -p .local
	@if [ -z "$(CHROMIUM)" ] && [ -z "$$(command -v chromium || command -v chromium-browser || command -v google-chrome)" ]; then \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	    apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium >/dev/null; \
	  else \
	    echo "The operator's page is tested in Chromium, which is not here, and only root may install it:" >&2; \
	    echo "  sudo apt-get install chromium      (or set CHROMIUM=/path/to/a/browser)" >&2; exit 1; \
	  fi; \
	fi
	@touch $@

clean:
	rm -rf .venv node_modules .local
