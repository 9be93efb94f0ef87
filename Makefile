# `make` lists the targets. Everything runs in .venv, which is made from the project's own files.

PYTHON ?= python3
BIN := .venv/bin
# maturin and cargo look at these: build for the environment here, whichever is active outside.
export VIRTUAL_ENV := $(CURDIR)/.venv
unexport CONDA_PREFIX
# What tests of exported C call, and the Debian packages that have it.
C_TOOLS := cc c++ nm arm-linux-gnueabihf-gcc qemu-arm valgrind
C_PACKAGES := gcc g++ binutils libc6-dev gcc-arm-linux-gnueabihf libc6-dev-armhf-cross qemu-user valgrind

.DEFAULT_GOAL := help
.PHONY: help demo packages test test-rust test-python test-python-timing lint format develop watch bench wheel clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: develop  ## build, then train and evaluate on the committed card-fraud sequences
	$(BIN)/rnn-rust demo fraud

packages:  ## install from Debian what tests of exported C need (as root, or with sudo)
	@for tool in $(C_TOOLS); do command -v $$tool > /dev/null || missing=yes; done; \
	test "$$missing" || exit 0; \
	as_root=$$(test "$$(id -u)" = 0 || echo sudo); \
	$$as_root apt-get -o Acquire::Retries=3 update --quiet=2 && \
	$$as_root env DEBIAN_FRONTEND=noninteractive apt-get -o Acquire::Retries=3 install --quiet=2 --yes --no-install-recommends $(C_PACKAGES)

test: develop .venv/.ready  ## run every Rust and Python test
	$(MAKE) --jobs=2 test-rust test-python
	$(MAKE) test-python-timing

test-rust:  ## run the tests of the engine, also on the portable level alone
	cargo test --locked
	RNN_RUST_SIMD=portable cargo test --locked

test-python: develop .venv/.ready  ## run the tests of the package that other work beside them does not disturb
	$(BIN)/python -m pytest -m 'not timing' --cov --cov-report=

test-python-timing: develop .venv/.ready  ## run those that measure time; then show the line coverage of all
	$(BIN)/python -m pytest -m timing --cov --cov-append --cov-fail-under=95

lint: develop .venv/.ready  ## check formatting, lints, types and stubs; warnings are errors
	cargo fmt --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	$(BIN)/python rust/core/scripts/module_circles.py
	$(BIN)/lint-imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest rnn_rust._core

format:  ## format Rust and Python
	cargo fmt
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

develop: .venv/.tools  ## build the engine in place (maturin develop)
	$(BIN)/maturin develop --release --locked --quiet

watch: .venv/.ready  ## rebuild the engine whenever a Rust file is saved
	$(BIN)/watchfiles '$(BIN)/maturin develop --release --quiet' rust

bench:  ## time the engine by kernel and shape; count its instructions where valgrind is
	cargo run --release --quiet --example time_elementary
	cargo run --release --quiet --example shapes
	@if command -v valgrind > /dev/null; then $(PYTHON) benchmarks/instructions.py; fi

wheel: .venv/.ready  ## build a wheel from the source distribution, install and use it elsewhere
	rm -rf dist
	$(BIN)/maturin sdist --out dist
	$(BIN)/pip wheel --quiet --no-deps --wheel-dir dist dist/*.tar.gz
	$(PYTHON) -m venv --clear dist/venv
	dist/venv/bin/pip install --quiet dist/*.whl
	cd dist && venv/bin/python -c "import rnn_rust as rnn; print(rnn.__version__, rnn.RNN(1, 1, 1))"
	dist/venv/bin/rnn-rust --version
	cd dist && venv/bin/python -c "import rnn_rust as rnn; rnn.GRU(3, 5, 1).save('slim.safetensors')"
	$(PYTHON) -m venv --clear dist/slim  # NumPy and safetensors alone: enough to score
	dist/slim/bin/pip install --quiet numpy safetensors
	dist/slim/bin/pip install --quiet --no-deps dist/*.whl
	cd dist && slim/bin/python -c "import numpy as np, rnn_rust as rnn; m, X = rnn.load('slim.safetensors'), np.ones((4, 3)); s, c = m.stepper(), m.scorer(); assert (m.predict(X) == [s.step(x) for x in X]).all() and (m.predict(X) == c.score_batch([1] * 4, X)).all()"
	du -sh dist/venv/lib/python*/site-packages dist/slim/lib/python*/site-packages
	dist/venv/bin/pip install --quiet pandas  # and not pyarrow
	cd dist && venv/bin/python -c "import pandas as pd, rnn_rust as rnn; f = pd.read_csv('../data/sample.csv'); print(rnn.Dataset.from_frame(f.astype({'name': 'category'})))"

.venv/.tools: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 ...")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/pip install --quiet --group build
	touch $@

.venv/.ready: .venv/.tools
	$(BIN)/pip install --quiet --group dev
	touch $@

clean:  ## remove everything that was built
	rm -rf .venv target dist
