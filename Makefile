# make train    train a network on handwritten digits
# make test     check everything
# make docs     build the site in build/docs
# make help     the rest
#
# The package is installed into $(VENV) in editable mode. So what is tested is what is installed: a
# build of csrc by the real build system, beside the Python files of this folder, whichever folder a
# test starts in. The installed wheel, outside this folder, is checked by .ci/run.

PYTHON ?= python3
VENV ?= .venv
ARGS ?=
BIN := $(VENV)/bin
BUILT_FROM := pyproject.toml CMakeLists.txt $(shell find csrc -type f 2>/dev/null)

# Build requirements stand in pyproject.toml and nowhere else. They are installed beside the package
# rather than in a throwaway environment, so that only changed files are compiled again.
BUILD_NEEDS := $(shell sed -n 's/^requires = \[\(.*\)\]/\1/p' pyproject.toml | tr -d ',')
PIP := $(BIN)/python -m pip --disable-pip-version-check
INSTALL := $(PIP) install -qq --no-build-isolation --editable

.DEFAULT_GOAL := help
.PHONY: help train test lint format docs wheel bench clean

help:
	@echo 'make train   train a small network on handwritten digits; options in ARGS:'
	@echo '             make train ARGS="--epochs 3"; make train ARGS=--help lists them'
	@echo 'make test    style, types, tests and the examples in the documentation'
	@echo 'make lint    style and types alone'
	@echo 'make format  bring all files into style'
	@echo 'make docs    run the examples of the documentation, and build it: build/docs/index.html'
	@echo 'make wheel   build dist/pyautograd-*.whl'
	@echo 'make bench   measure the kernels, against PyTorch where it is installed: under 3 minutes;'
	@echo '             benchmarks/ has the long form and the others'
	@echo 'make clean   remove the environment and everything built'
	@echo
	@echo 'PYTHON=python3.12 picks the interpreter, VENV=folder the place of the environment.'

train: $(VENV)/train.stamp
	@$(BIN)/python -m pyautograd train $(ARGS)

test: lint
	$(BIN)/pytest $(ARGS)

lint: $(VENV)/test.stamp
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	find csrc tests/cpp -name '*.cpp' -o -name '*.h' -o -name '*.inl' | xargs $(BIN)/clang-format --dry-run -Werror
	$(BIN)/mypy

format: $(VENV)/test.stamp
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	find csrc tests/cpp -name '*.cpp' -o -name '*.h' -o -name '*.inl' | xargs $(BIN)/clang-format -i

# Its warnings are errors. The Chinese site lies within the English one.
SPHINX := $(BIN)/python -m sphinx -W --keep-going -q -j auto -c docs
docs: $(VENV)/docs.stamp
	$(BIN)/pytest docs tests/test_docs.py $(ARGS)
	rm -rf build/docs
	$(SPHINX) docs build/docs
	$(SPHINX) -D language=zh_CN docs/zh build/docs/zh
	$(BIN)/python docs/check_links.py build/docs
	@echo 'the site: build/docs/index.html'

wheel: $(VENV)/python.stamp
	$(PIP) wheel . --no-deps --no-build-isolation --wheel-dir dist

bench: $(VENV)/train.stamp
	$(BIN)/python benchmarks/kernels.py --short $(ARGS)

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- the environment -----------------------------------------------------------------------------

$(VENV)/train.stamp: $(BUILT_FROM) | $(VENV)/python.stamp
	@echo 'installing pyautograd with what training needs (the first time takes minutes)'
	@$(INSTALL) '.[train]'
	@touch $@

$(VENV)/test.stamp: $(BUILT_FROM) | $(VENV)/python.stamp
	@echo 'installing pyautograd with what testing needs (the first time takes minutes)'
	@$(INSTALL) '.[test]'
	@touch $@ $(VENV)/train.stamp

$(VENV)/docs.stamp: $(VENV)/test.stamp
	@echo 'installing what the documentation needs'
	@$(INSTALL) '.[docs]'
	@touch $@

$(VENV)/python.stamp:
	@sh .ci/check-machine $(PYTHON)
	@echo 'making the environment $(VENV)'
	@$(PYTHON) -m venv $(VENV)
	@$(PIP) install -qq cmake ninja $(BUILD_NEEDS)
	@touch $@
