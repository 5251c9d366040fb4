#!/usr/bin/env bash
# make mutants: cargo-mutants over the pure core (.cargo/mutants.toml). Further arguments go to cargo-mutants.
#
# The report is in .local/mutants.out: missed.txt names every change that no unit test notices.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

TOOLS=$PWD/.local/tools
export PATH="$TOOLS/bin:$PATH"
if ! cargo mutants --version >/dev/null 2>&1; then
    echo "Installing cargo-mutants into .local/tools (some minutes, once) …"
    CARGO_TARGET_DIR="$TOOLS/build" cargo install --quiet --locked --root "$TOOLS" cargo-mutants
    rm -rf "$TOOLS/build"
fi
mkdir -p .local
# Missed mutants are a result and no failure of the run: exit codes 2 and 3 mean "some were missed" and "some timed out".
cargo mutants --output .local "$@" || (($? == 2 || $? == 3))
