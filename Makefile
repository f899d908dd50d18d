# What people do with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help setup run test drill bench lint fmt

help: ## List the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## /\1\t/' | expand -t 10

setup: ## Install what a build needs from the system: a C compiler, protoc
	@scripts/setup.sh

run: setup ## Build and run everything in one process; ARGS="--http 0.0.0.0:8000" adds flags
	cargo build --release --locked
	exec target/release/alpes up $(ARGS)

test: ## Run every test, with a PostgreSQL that they start by themselves
	@scripts/setup.sh test
	cargo test --workspace --locked --features failpoints $(ARGS)

drill: export ALPES_DRILL = 1
drill: export ALPES_CASES = 500
drill: test ## The same at full length: every kill at every step, 500 cases of every property

bench: setup ## Measure throughput and latency against bounds of the same run
	cargo build --release --locked
	bench/run.sh $(ARGS)

lint: ## What CI asks of the code: format, clippy, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features failpoints -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

fmt: ## Format the code
	cargo fmt --all
