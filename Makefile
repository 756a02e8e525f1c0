# Requires make and Python 3.11 or newer. Everything else is installed into .venv/.

PYTHON ?=

# Parallel tests: one more than cores, since many tests wait for a page or a process.
WORKERS ?= 3

# A run starts hundreds of processes, which would each compile every module again.
unexport PYTHONDONTWRITEBYTECODE

# Parameters of chaos and model. SEED repeats the choices of an earlier run. With DATABASE
# postgres-ha or postgres-pgbouncer, chaos kills the primary of two PostgreSQL servers; the latter
# connects through PgBouncer in transaction mode.
KILLS ?= $(if $(findstring -,$(DATABASE)),20,500)
STEPS ?= 5000
SEED ?=
DATABASE ?= sqlite
PROCESSOR ?= sandbox

# Functions that `make mutants` changes: the pure ones of the planner, those that write the ledger, and
# those that apply the outcome of an attempt.
MUTATED ?= $(addprefix domain.top_ups.top_up.x_,amount_before_limits amount_to_charge _remaining \
    chargeable is_planned next_suspension_end plan without) domain.ledger.x_append* \
    actions.payments.settle*

# Moves the tests' clock by an offset (+400d) or to a time in UTC (2028-02-29T23:59). Browser tests
# are skipped, because the browser uses the host's clock.
CLOCK ?=
MOVED = CLOCK="$(CLOCK)" PYTHONPATH="$(CURDIR)/tests/moved_clock"

# Number of inputs for the fuzz tests of `attack`.
INPUTS ?= 10000

# Demo data with a sandbox processor, unless DEMO is set in the environment or .env.
run: export DEMO ?= $(shell sed -n 's/^DEMO=//p' .env 2>/dev/null | grep . || echo auto)

# RUN_JOBS=0: commands must not start a second scheduler.
FLASK = RUN_JOBS=0 .venv/bin/flask --app wsgi
PIP = .venv/bin/python -m pip install --quiet --disable-pip-version-check

.PHONY: run test attack chaos model mutants bench bench-short lint lint-python lint-others format translations docs clean

run: .venv/.runtime
	@$(FLASK) db upgrade
	@if [ "$$DEMO" != 0 ]; then $(FLASK) demo seed --if-enabled; fi
	@exec .venv/bin/gunicorn --config deploy/gunicorn.conf.py wsgi:app

# POSTGRES=all runs every test on PostgreSQL too, not only those where it matters.
# pytest runs last, so that its summary is the last output. A missing browser or
# PostgreSQL does not stop the run: the summary lists failed and skipped tests.
test: lint
	@tests/postgres/install.sh || true
	@tests/integrations/install.sh || true
	CHROMIUM="$$(tests/browser/install.sh)" $(if $(CLOCK),$(MOVED)) \
	    .venv/bin/pytest -n $(WORKERS) --dist worksteal $(if $(CLOCK),-m "not browser") $(ARGS)

# `make test` includes a shorter run. This one ends with a table of the attacks tried.
# pip-audit reports packages whose advisories cannot be fetched.
attack: .venv/.dev
	@ATTACK=$(INPUTS) .venv/bin/pytest -q tests/attack
	@.venv/bin/pip-audit --requirement requirements.txt --no-deps --disable-pip --progress-spinner off

# Kills the real processes under traffic and compares the ledgers. Ends by itself.
chaos: .venv/.dev
	.venv/bin/python -m tests.chaos --kills $(KILLS) --database $(DATABASE) --processor $(PROCESSOR) $(if $(SEED),--seed $(SEED))

# Runs random actions on the product and on a simple model of its rules, and compares them.
model: .venv/.dev
	POSTGRES=all STEPS=$(STEPS) SEED=$(SEED) .venv/bin/pytest -q tests/model -k $(DATABASE)

# Changes the functions of MUTATED one detail at a time, and lists the changes that no test notices.
# `.venv/bin/mutmut show NAME` shows one. Tests and files are chosen in pyproject.toml.
mutants: .venv/.dev
	.venv/bin/mutmut run $(addprefix "webapp.,$(addsuffix __mutmut_*",$(MUTATED)))
	.venv/bin/mutmut results

# ARGS selects benchmarks: make bench ARGS="page toggle".
bench bench-short: .venv/.dev
	@CHROMIUM="$$(tests/browser/install.sh)" \
	    .venv/bin/python -m benchmarks $(if $(filter bench-short,$@),--short) $(ARGS)

# Packages of Python and of Node are installed, and their files checked, at the same time.
lint:
	@$(MAKE) --no-print-directory --jobs=2 lint-python lint-others

lint-python: .venv/.dev
	.venv/bin/ruff check
	.venv/bin/ruff format --check
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

lint-others: .venv/.dev node_modules
	.venv/bin/shellcheck .ci/run $$(find clients deploy integrations tests -name '*.sh')
	.venv/bin/rumdl check --quiet .
	@if path="$$(tests/lint/node.sh)"; then export PATH="$$path"; \
	    biome check --error-on-warnings && tests/lint/openapi.sh; fi

format: .venv/.dev
	.venv/bin/ruff check --fix
	.venv/bin/ruff format
	.venv/bin/rumdl fmt --quiet .
	@if path="$$(tests/lint/node.sh)"; then PATH="$$path" biome check --write; fi

# Updates the catalogs from the sources: adds new texts and removes unused ones. Then translate
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
	rm -rf .venv node_modules mutants .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache \
	    .rumdl_cache site

.venv/.runtime: requirements.txt | .venv/bin/pip
	@echo "Installing Ballast's dependencies"
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt requirements.txt | .venv/bin/pip
	@echo "Installing Ballast's development dependencies"
	@$(PIP) -r requirements-dev.txt
	@touch .venv/.runtime $@

# Without npm, pip installs Node into .venv, and must not run twice at a time.
node_modules: package.json | $(if $(shell command -v npm),.venv/bin/pip,.venv/.dev)
	@tests/lint/node.sh >/dev/null 2>&1 && touch $@ || true

# Each python on the PATH is tried, since version managers leave dead shims there.
# Debian ships Python without ensurepip: then the system's pip fills the environment,
# or apt installs the missing package.
.venv/bin/pip:
	@for python in $(or $(PYTHON),python3.14 python3.13 python3.12 python3.11 python3 python); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && break; \
	    python=; \
	done; \
	if [ -z "$$python" ]; then \
	    echo "Ballast needs Python 3.11 or newer. Install it, or set its path: make PYTHON=/path/to/python3" >&2; \
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
	echo "Ballast could not create .venv. Install pip for $$python or the package $$package" >&2; \
	exit 1
