#!/usr/bin/env bash
# The software bill of materials of the release binary, CycloneDX 1.5 JSON, on standard output or into a file:
#   deploy/sbom.sh [FILE]
# What the binary is built from with the features of a release, and nothing that only tests or benches need. `cargo tree`
# knows which packages are compiled; Cargo.lock alone also names those of features that are off.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=x86_64-unknown-linux-gnu
compiled=$(cargo tree --locked --target "$target" --edges normal,build --prefix none --format '{p}')
cargo metadata --format-version 1 --locked --filter-platform "$target" |
    python3 deploy/check/sbom.py "$compiled" >"${1:-/dev/stdout}"
