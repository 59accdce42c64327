#!/usr/bin/env bash
# Measures Countersign beside its ceiling and its peers, in one go on one machine, and writes bench/results.md.
#
#   bench/run.sh          everything; the largest ledger of a million records takes most of the time
#   bench/run.sh quick    short runs, 100,000 records; the ledgers of bench/sizes.py are as large as in the full mode
#   bench/run.sh full console
#                         one part alone, on the screen: nodes, approvals, sizes, gateway, console
set -euo pipefail
cd "$(dirname "$0")/.."
target=${CARGO_TARGET_DIR:-target}
bench_target=${COUNTERSIGN_BENCH_TARGET:-bench/target}

if ! command -v wrk > /dev/null; then
  echo "bench: installing wrk from Debian"
  apt-get install --yes --no-install-recommends wrk > /dev/null
fi
if ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1; then
  echo "bench: installing PostgreSQL from Debian"
  apt-get install --yes --no-install-recommends postgresql > /dev/null
fi
echo "bench: building countersign (release, ${target})"
# The whole workspace at once: by themselves its packages would be built with other features, each anew.
CARGO_TARGET_DIR="$target" cargo build --release --locked --quiet --workspace --bins --examples
echo "bench: building the echo server, Cedar and regorus (release, ${bench_target}); the first time this takes some minutes"
CARGO_TARGET_DIR="$bench_target" cargo build --release --locked --quiet --manifest-path bench/Cargo.toml
exec python3 bench/measure.py "$target/release/countersign" "$bench_target/release" "${@:-full}"
