# Two commands do all the set-up: `make demo` and `make test`. See README.md.

TORCH := --features heirloom-search/torch,heirloom-api/torch,heirloom-tests/torch
export HEIRLOOM_WHEELS := $(CURDIR)/.cache/wheels

.PHONY: help setup build demo test test-cuda lint bench

help: ## What can be made
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

setup: ## libtorch and the two wheels with data; quick when they are there
	@scripts/libtorch.sh
	@scripts/wheels.sh

build: setup ## target/release/heirloom, with libtorch
	cargo build --release -p heirloom-api --features torch

demo: build ## The main job, on real data, in a few minutes
	@python3 scripts/demo.py target/release/heirloom .cache

test: setup ## All tests, on the CPU also where there is a GPU: it repeats, and does not start slowly
	CUDA_VISIBLE_DEVICES= cargo test --workspace $(TORCH)

test-cuda: setup ## The trainer's tests on the first GPU
	HEIRLOOM_TEST_DEVICE=cuda cargo test -p heirloom-search --features torch train::

lint: setup ## Format, lints and docs, as CI wants them
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	cargo clippy --workspace --all-targets $(TORCH) -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps $(TORCH)

bench: setup ## Speed: the figures of BENCHMARKS.md
	cargo bench -p heirloom-kb -p heirloom-search
