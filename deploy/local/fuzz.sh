#!/usr/bin/env bash
# make fuzz: every fuzz target of fuzz/ for a while each, on stable Rust. SECONDS_EACH=60; TARGETS="token key_set".
#
# The committed corpus (fuzz/corpus/) is read and never written: what a run finds worth keeping goes to .local/fuzz.
# A finding ends the run with an error and its input in fuzz/artifacts/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

TOOLS=$PWD/.local/tools
export PATH="$TOOLS/bin:$PATH"
if ! cargo fuzz --version >/dev/null 2>&1; then
    echo "Installing cargo-fuzz into .local/tools (some minutes, once) …"
    CARGO_TARGET_DIR="$TOOLS/build" cargo install --quiet --locked --root "$TOOLS" --version 0.13.2 cargo-fuzz
    rm -rf "$TOOLS/build"
fi
# What is fuzzed is built with the versions of the service: cargo adds only what the targets need besides.
cp Cargo.lock fuzz/Cargo.lock
# Where the caller builds other things is no place for these flags.
export CARGO_TARGET_DIR="${FUZZ_TARGET_DIR:-$PWD/fuzz/target}"

for target in ${TARGETS:-envelope event mpc_answer token key_set}; do
    mkdir -p ".local/fuzz/$target"
    log=".local/fuzz/$target.log"
    echo "Fuzzing $target for ${SECONDS_EACH:-60} seconds …"
    # No sanitizer: they need a nightly compiler, and the crate has no unsafe code.
    if ! cargo fuzz run --sanitizer none "$target" ".local/fuzz/$target" "fuzz/corpus/$target" -- \
        -max_total_time="${SECONDS_EACH:-60}" -max_len=8192 -timeout=10 -print_final_stats=1 >"$log" 2>&1; then
        tail -n 40 "$log"
        echo "$target: a finding, or it does not build; its input is in fuzz/artifacts/$target" >&2
        exit 1
    fi
    echo "$target: $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") executions, no finding"
done
