# On a fresh machine `make demo` and `make test` are each the only command needed; a second run reuses .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
ARGS ?=
# Files of tests that run at once.
WORKERS ?= 2
# Optional: a package index that has a CPU build of torch (the default index may bring gigabytes of CUDA).
TORCH_INDEX_URL ?=
# Byte code is compiled when first used: installing is faster by half a minute.
PIP_INSTALL = $(BIN)/pip install --quiet --disable-pip-version-check --no-compile --constraint constraints.txt
SOURCES = pyproject.toml constraints.txt

.PHONY: demo test check format bench soak test-servers docs clean

demo: $(VENV)/.installed-all ## set up, then the main job; ARGS=--exit ends after the summary
	$(BIN)/seatrial demo $(ARGS)

test: $(VENV)/.installed-dev ## set up, then the tests
	$(BIN)/python -m pytest --numprocesses $(WORKERS) --dist loadfile $(ARGS)

check: $(VENV)/.installed-dev ## format, lint, types, import rules
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(VENV)/.installed-dev ## measure, print the figures, write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run $(ARGS)

soak: $(VENV)/.installed-dev ## full sizes of what the tests run reduced; needs the project of an earlier make demo
	$(BIN)/python -m benchmarks.soak $(ARGS)

docs: $(VENV)/.installed-dev ## build the documentation, any broken link is an error
	$(BIN)/mkdocs build --strict

test-servers: ## Debian packages of the servers that tests use
	sh tests/install-servers.sh

clean: ## remove the environment and what was built
	rm -rf $(VENV) build dist site

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-all: $(VENV)/bin/python $(SOURCES)
	@test -e $(VENV)/.installed-dev && test ! $(VENV)/.installed-dev -ot pyproject.toml && test ! $(VENV)/.installed-dev -ot constraints.txt || { \
		echo "Installing into $(VENV): about two minutes, once."; \
		$(if $(TORCH_INDEX_URL),$(PIP_INSTALL) --index-url $(TORCH_INDEX_URL) torch==2.13.0 &&) \
		$(PIP_INSTALL) --editable '.[all]'; }
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python $(SOURCES)
	@echo "Installing into $(VENV): about two minutes, once."
	@$(if $(TORCH_INDEX_URL),$(PIP_INSTALL) --index-url $(TORCH_INDEX_URL) torch==2.13.0)
	@$(PIP_INSTALL) --editable '.[dev]'
	@touch $@
