# What people do with this repository. `make` alone lists it.

.DEFAULT_GOAL := help
.PHONY: help setup run pulsar test drill drill-pulsar bench bench-pulsar lint fmt

help: ## List the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 14

setup: ## Install what a build needs from the system: a C compiler, protoc
	@scripts/setup.sh

run: setup ## Build and run everything in one process; ARGS="--http 0.0.0.0:8000" adds flags
	cargo build --release --locked
	exec target/release/alpes up $(ARGS)

pulsar: export DATA = $(or $(ALPES_DATA),alpes-data)/pulsar
pulsar: ## Run a Pulsar broker for development, at 6650 and 8080; use it with BROKER_HOST=127.0.0.1 make run
	@scripts/setup.sh test
	@echo "pulsar: pulsar://127.0.0.1:6650 and http://127.0.0.1:8080, data in $$DATA. Use it: BROKER_HOST=127.0.0.1 make run"
	@exec scripts/pulsar.sh run "$$DATA"

test: ## Run every test, with a PostgreSQL and a broker that they start by themselves
	@scripts/setup.sh test
	cargo test --workspace --locked --features failpoints $(ARGS)

drill: export ALPES_DRILL = 1
drill: export ALPES_CASES = 500
drill: test ## The same at full length: every kill at every step, 500 cases of every property

drill-pulsar: ## Disturb workers and the broker while millions of commands flow; ARGS="A" runs one drill, see tests/python/drill.py
	@scripts/setup.sh test
	cargo build --release --locked --bin alpes --example produce
	scripts/python.sh tests/python/drill.py $(ARGS)

bench: ## Measure beside bounds of the same run; SUITE="line intake" names some, see bench/README.md
	@scripts/setup.sh bench
	cargo build --release --locked --bin alpes --examples
	python3 bench/bench.py $(SUITE) $(ARGS)

bench-%: ## One suite: make bench-line
	@$(MAKE) --no-print-directory bench SUITE=$*

bench-pulsar: ## From Pulsar to PostgreSQL, and the intake through the broker
	@scripts/setup.sh test
	@$(MAKE) --no-print-directory bench SUITE=pulsar

lint: ## What CI asks of the code: format, clippy, documentation
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked --features failpoints -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked

fmt: ## Format the code
	cargo fmt --all
