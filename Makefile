# Needs only make and Python 3.11 or newer; all else goes into .venv/.

PYTHON ?=

# Tests at once: one more than cores, since many of them wait for a page or a process.
WORKERS ?= 3

# Of a chaos run, or a walk beside the model; the seed of an earlier one repeats its choices.
# A chaos run on postgres-ha or postgres-pgbouncer kills the primary of two PostgreSQL servers; the
# latter reaches them by PgBouncer in transaction mode.
KILLS ?= $(if $(findstring -,$(DATABASE)),20,500)
STEPS ?= 5000
SEED ?=
DATABASE ?= sqlite
PROCESSOR ?= sandbox

# Where the tests' wall clock is moved to: a span (+400d) or an instant in UTC (2028-02-29T23:59).
# The browser keeps the host's clock, so its tests are left out.
CLOCK ?=
MOVED = CLOCK="$(CLOCK)" PYTHONPATH="$(CURDIR)/tests/moved_clock"

# What the fuzz of an attack sends.
INPUTS ?= 10000

# Demo data beside a sandbox processor, unless the environment or .env says otherwise.
run: export DEMO ?= $(shell sed -n 's/^DEMO=//p' .env 2>/dev/null | grep . || echo auto)

# Operator's commands must not start a second scheduler.
FLASK = RUN_JOBS=0 .venv/bin/flask --app wsgi
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test attack chaos model bench bench-short lint format translations docs clean

run: .venv/.runtime
	@$(FLASK) db upgrade
	@if [ "$$DEMO" != 0 ]; then $(FLASK) demo seed --if-enabled; fi
	@exec .venv/bin/gunicorn --config deploy/gunicorn.conf.py wsgi:app

# POSTGRES=all runs every test on PostgreSQL too, not only those where it differs.
# pytest comes last, so that its summary is the last line. A missing browser or
# PostgreSQL stops nothing here: the summary says what failed or was not tried.
test: lint
	@tests/postgres/install.sh || true
	CHROMIUM="$$(tests/browser/install.sh)" $(if $(CLOCK),$(MOVED)) \
	    .venv/bin/pytest -n $(WORKERS) --dist worksteal $(if $(CLOCK),-m "not browser") $(ARGS)

# Its short form is among the tests. It ends with a table of what was tried. pip-audit
# says of each package where no advisories can be had.
attack: .venv/.dev
	@ATTACK=$(INPUTS) .venv/bin/pytest -q tests/attack
	@.venv/bin/pip-audit --requirement requirements.txt --no-deps --disable-pip --progress-spinner off

# Kills the real processes under traffic, and compares the books. It ends by itself.
chaos: .venv/.dev
	.venv/bin/python -m tests.chaos --kills $(KILLS) --database $(DATABASE) --processor $(PROCESSOR) $(if $(SEED),--seed $(SEED))

# Random walks through the product and, beside it, a simple model of its rules.
model: .venv/.dev
	POSTGRES=all STEPS=$(STEPS) SEED=$(SEED) .venv/bin/pytest -q tests/model -k $(DATABASE)

# ARGS names figures: make bench ARGS="page toggle".
bench bench-short: .venv/.dev
	@CHROMIUM="$$(tests/browser/install.sh)" \
	    .venv/bin/python -m benchmarks $(if $(filter bench-short,$@),--short) $(ARGS)

lint: .venv/.dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

format: .venv/.dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

# Takes what mails say anew into the catalogs, and what they say no more out; then translate
# each empty msgstr.
translations: .venv/.dev
	@all=$$(mktemp) && trap 'rm -f "$$all"' EXIT && \
	    .venv/bin/pybabel -q extract -F pyproject.toml --omit-header --no-wrap \
	        --add-location=file -o "$$all" . && \
	    for catalog in translations/*.po; do \
	        .venv/bin/pybabel -q update --omit-header --no-wrap --no-fuzzy-matching \
	            --ignore-obsolete -i "$$all" -o $$catalog -l $$(basename $$catalog .po) || exit; \
	    done

# The documentation as a website, in site/. A broken link fails; --quiet would hide it.
docs: .venv/.dev
	@NO_MKDOCS_2_WARNING=1 .venv/bin/mkdocs build --strict

clean:
	rm -rf .venv .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache site

.venv/.runtime: requirements.txt | .venv/bin/pip
	@echo "Installing what Ballast needs"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt | .venv/bin/pip
	@echo "Installing what Ballast and its tests need"
	@$(PIP) -r requirements-dev.txt
	@touch .venv/.runtime $@

# A name on the PATH proves nothing (version managers leave dead ones there), so
# each is started. Debian ships Python without ensurepip: then the system's own
# pip fills the environment, or apt brings the missing part.
.venv/bin/pip:
	@for python in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Ballast needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3" >&2; \
	    exit 1; \
	fi; \
	echo "Creating .venv with $$("$$python" --version)"; \
	"$$python" -m venv .venv >/dev/null 2>&1 && exit; \
	"$$python" -m venv --without-pip .venv && \
	    "$$python" -m pip --python .venv/bin/python install --quiet pip 2>/dev/null && exit; \
	package=$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	[ "$$(id -u)" = 0 ] && root= || root="sudo -n"; \
	$$root apt-get -qq update && $$root apt-get -qq install --no-install-recommends "$$package" && \
	    "$$python" -m venv --clear .venv && exit; \
	echo "Ballast could not create .venv: install pip for $$python, or the package $$package" >&2; \
	exit 1
