# The two commands are `make run` and `make test`: each sets up what it needs, and cleans up after itself.
.DEFAULT_GOAL := help
.PHONY: help run test test-faults soak bench fmt lint clean

help: ## show this list
	@echo "make TARGET, with TARGET one of"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' $(MAKEFILE_LIST) | column -t -s '|' 2>/dev/null \
		|| sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1: \2/p' $(MAKEFILE_LIST)

run: ## run everything on this machine with invented cases until Ctrl-C; ONCE=1 ends after the demonstration
	@ONCE=$(ONCE) exec bash deploy/local/run.sh

test: ## set up PostgreSQL and SQS, run every test; ARGS="…" goes to the test runner
	@exec bash deploy/local/test.sh $(ARGS)

test-faults: ## every fault test, the long ones too: kills at every boundary, crashes, cuts, pauses (about 10 minutes)
	@SUITE=faults exec bash deploy/local/test.sh $(ARGS)

soak: ## a stream with random faults for MINUTES=n (SEED=n for the same again), and a table of what came of it
	@SUITE=soak MINUTES=$(MINUTES) SEED=$(SEED) exec bash deploy/local/test.sh

bench: ## the service beside the floors of the same work, five rounds (under 20 minutes); QUICK=1: one short round
	@QUICK=$(QUICK) exec bash deploy/local/bench.sh $(ARGS)

fmt: ## format the code
	cargo fmt

lint: ## formatting and lints, warnings are errors
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

clean: ## remove what was built and installed inside this checkout
	cargo clean
	rm -rf .local
