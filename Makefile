# Dynamo. Needs GNU make and Python 3.11, nothing else; `make help` lists what there is.

PYTHON ?=
PORT ?= 8000
PERIOD ?= 60
ONCE ?=
TESTS ?= tests
JOBS ?= 2
LINES ?= 1000000
EXAMPLES ?= 200

RUN := .venv/bin/python
export PYTHON

.DEFAULT_GOAL := help
.PHONY: help venv venv-dev demo demo-reset test lint format bench crash fuzz fuzz-api requirements

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-22s %s\n", $$1, $$2}'

venv: ## Create .venv with the pinned requirements
	@bin/venv requirements.txt

venv-dev: ## The same with what checks and tests need
	@bin/venv requirements.txt requirements-storage.txt requirements-dev.txt

demo: venv ## Start web, worker and beat on sample data; Ctrl-C stops them. ONCE=1: one cycle, then exit. PORT=8000 PERIOD=60
	@$(RUN) -m dynamo_site.demo --stop-with-parent --port $(PORT) --period $(PERIOD) $(if $(filter-out 0,$(ONCE)),--once)

demo-reset: venv ## Remove what the demo made, so that the next start is a first one
	@$(RUN) -m dynamo_site.demo --reset

test: venv-dev ## Run all tests that need no outside server. TESTS=path JOBS=2
	@$(RUN) -m pytest -n $(JOBS) --dist worksteal -m "not browser and not own_servers" $(TESTS)

lint: venv-dev ## Style, types, import layers, missing migrations, the OpenAPI document, settings of production
	@$(RUN) -m ruff check .
	@$(RUN) -m ruff format --check .
	@$(RUN) -m mypy
	@.venv/bin/lint-imports --no-cache
	@DJANGO_SETTINGS_MODULE=dynamo_site.settings.test $(RUN) manage.py makemigrations --check --dry-run
	@DJANGO_SETTINGS_MODULE=dynamo_site.settings.test $(RUN) manage.py spectacular --validate --fail-on-warn >/dev/null
	@DJANGO_SETTINGS_MODULE=dynamo_site.settings.production DJANGO_SECRET_KEY=$$($(RUN) -c 'import secrets; print(secrets.token_urlsafe(50))') \
	    DJANGO_ALLOWED_HOSTS=dynamo.example.org DATABASE_URL=postgresql:///dynamo CELERY_BROKER_URL=redis:// \
	    $(RUN) manage.py check --deploy --fail-level WARNING

format: venv-dev ## Let ruff lay out the code
	@$(RUN) -m ruff check --fix .
	@$(RUN) -m ruff format .

bench: venv-dev ## Measure the engine, on a PostgreSQL of its own where its programs are (see docs/development.md)
	@$(RUN) -m tests.on_postgres -m pytest -p no:xdist -q -s tests/benchmarks

crash: venv-dev ## The crash test in full: 10,000 files, 200 workers killed, the database restarted, the broker emptied; and a minute of pause
	@DYNAMO_CRASH_FULL=1 $(RUN) -m pytest -p no:xdist -q tests/concurrency/test_crash.py tests/concurrency/test_deletion_workers.py

fuzz: venv-dev ## Mutate lines of real policies and read them; progress is shown. LINES=1000000
	@$(RUN) -m tests.fuzz.policies --lines $(LINES)

fuzz-api: venv-dev ## Ask a running server whatever its OpenAPI document allows and forbids. EXAMPLES=200 per operation
	@DYNAMO_FUZZ_EXAMPLES=$(EXAMPLES) $(RUN) -m pytest -q -p no:xdist tests/acceptance/test_api_document.py

requirements: venv-dev ## Compile requirements*.in into pins
	@$(RUN) -m uv pip compile --quiet --python-version 3.11 --universal --no-emit-index-url --custom-compile-command "make requirements" requirements.in -o requirements.txt
	@$(RUN) -m uv pip compile --quiet --python-version 3.11 --universal --no-emit-index-url --custom-compile-command "make requirements" requirements-storage.in -c requirements.txt -o requirements-storage.txt
	@$(RUN) -m uv pip compile --quiet --python-version 3.11 --universal --no-emit-index-url --custom-compile-command "make requirements" requirements-dev.in -c requirements-storage.txt -o requirements-dev.txt
