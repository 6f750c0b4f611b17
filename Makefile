# Each target works on a fresh machine with Python 3.11+, make and git.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
RUNNER ?=
EXAMPLE ?= breast_cancer
OWN    := $(wildcard requirements/$(EXAMPLE).txt)
SERVE  ?=
# A hospital's proxy may sign with a certificate that only the machine trusts; pip looks there, too.
export UV_SYSTEM_CERTS ?= true

.PHONY: help demo test check docs bench changelog lock clean
help:  ## say what can be made
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

$(BIN)/uv: requirements/tool.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "MedPerf needs Python 3.11 or newer; set PYTHON=...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/tool.txt
	@touch $@

$(VENV)/demo.stamp: $(BIN)/uv requirements/demo.txt pyproject.toml
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/demo.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/demo.stamp requirements/dev.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

# What an example needs besides; only its own name makes one.
$(OWN:requirements/%.txt=$(VENV)/%.stamp): $(VENV)/%.stamp: $(VENV)/demo.stamp requirements/%.txt
	$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes -r requirements/$*.txt
	@touch $@

demo: $(VENV)/demo.stamp $(OWN:requirements/%.txt=$(VENV)/%.stamp)  ## run a whole federation here: EXAMPLE=lesion_outlines for another, RUNNER=docker|podman for real containers, SERVE=1 to leave it up
	@$(BIN)/python -m examples.staging.demo $(EXAMPLE) $(if $(RUNNER),--runner $(RUNNER)) $(if $(SERVE),--serve)

# Other people's validators need versions of their own, so they live apart.
$(VENV)/validators/stamp: $(BIN)/uv requirements/validators.txt
	$(BIN)/uv venv --quiet --clear $(VENV)/validators
	$(BIN)/uv pip install --quiet --python $(VENV)/validators/bin/python --require-hashes -r requirements/validators.txt
	@touch $@

test: $(VENV)/dev.stamp $(VENV)/validators/stamp  ## run every test this machine can run
	@for e in lesion_outlines lung_survival; do $(BIN)/python -m examples.$$e.data || echo "Tests of its data will be skipped."; done
	$(BIN)/python -m pytest -n auto --dist worksteal $(PYTEST_ARGS)

check: $(VENV)/dev.stamp  ## format, lint, types, layers, spelling
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/typos

docs: $(VENV)/dev.stamp  ## build the documentation, strictly, into build/docs
	$(BIN)/python -m sphinx -q -W -b html docs build/docs

bench: $(VENV)/dev.stamp  ## measure, as ratios side by side
	$(BIN)/python -m bench

changelog: $(VENV)/dev.stamp  ## gather the fragments in changes/ into CHANGELOG.md, at a release
	$(BIN)/towncrier build --yes --name "" --version $$($(BIN)/python -c 'import medperf; print(medperf.__version__)')

lock: $(BIN)/uv  ## write the locked requirements again
	cd requirements && for f in tool demo dev lesion_outlines lung_survival validators; do ../$(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	  --generate-hashes --no-header --no-emit-index-url --no-emit-find-links $$f.in -o $$f.txt; done

clean:  ## remove what was made here
	rm -rf $(VENV) .demo build dist
