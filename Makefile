# The two main targets are `run` and `test`. Each starts what it needs and removes it at the end.
.DEFAULT_GOAL := help
.PHONY: help run test test-faults test-oracle-mode fuzz mutants soak bench docs fmt lint clean

help: ## show this list
	@echo "make TARGET, with TARGET one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1: \2/p' $(MAKEFILE_LIST)

run: ## run everything on this machine with invented cases until Ctrl-C; ONCE=1 stops after the demonstration
	@ONCE=$(ONCE) exec bash deploy/local/run.sh

test: ## start PostgreSQL and SQS and run the tests; ARGS="…" is passed to the test runner
	@exec bash deploy/local/test.sh $(ARGS)

test-faults: ## run every fault test, including the long ones: kills, crashes, cut networks, pauses, and every fuzz target for a minute (20 minutes)
	@SUITE=faults bash deploy/local/test.sh $(ARGS)
	@$(MAKE) --no-print-directory fuzz

fuzz: ## run every fuzz target for SECONDS_EACH=60; TARGETS="token key_set" are some of them
	@SECONDS_EACH=$(SECONDS_EACH) TARGETS="$(TARGETS)" exec bash deploy/local/fuzz.sh

mutants: ## change the pure core in every small way and see whether a unit test notices (hours); ARGS="-f src/http/path.rs" narrows
	@exec bash deploy/local/mutants.sh $(ARGS)

test-oracle-mode: ## run the tests of the Delius gateway on H2 in Oracle mode (needs Java, which root gets from Debian)
	@SUITE=oracle-mode exec bash deploy/local/test.sh $(ARGS)

soak: ## run a stream of messages with random faults for MINUTES=n and print a table; SEED=n repeats a run
	@SUITE=soak MINUTES=$(MINUTES) SEED=$(SEED) exec bash deploy/local/test.sh

bench: ## measure the service beside the floors of the same work, five rounds (under 20 minutes); QUICK=1 is one short round
	@QUICK=$(QUICK) exec bash deploy/local/bench.sh $(ARGS)

docs: ## write docs/CONFIGURATION.md and tests/golden/help again, from the definition of the command line
	UPDATE_DOCS=1 cargo test --features failpoints --lib cli::help_tests
	UPDATE_DOCS=1 cargo test --features failpoints --test integration docs::configuration

fmt: ## format the code
	cargo fmt

lint: ## check formatting and lints; warnings are errors
	cargo fmt --check
	cargo clippy --all-targets --features failpoints -- -D warnings

clean: ## remove everything that was built or installed inside this checkout
	cargo clean
	rm -rf .local
