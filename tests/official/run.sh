#!/usr/bin/env bash
# Checks of what Countersign hands out by people who never saw its code: PyJWT, cryptography, the standardwebhooks
# packages from PyPI and npm, schemathesis. Installs them into target/official, pinned, once.
#
#   tests/official/run.sh           everything
#   tests/official/run.sh quick     without schemathesis
set -euo pipefail
cd "$(dirname "$0")/../.."
place=target/official
binary=${CARGO_TARGET_DIR:-target}/release/countersign
standardwebhooks=1.1.1

if [ ! -x "$binary" ]; then
  echo "official: $binary is missing: cargo build --release --package countersign-cli" >&2
  exit 2
fi
mkdir -p "$place/node"

if ! cmp -s tests/official/requirements.txt "$place/requirements.installed"; then
  echo "official: installing PyJWT, cryptography, standardwebhooks and schemathesis from PyPI into $place/venv"
  python3 -m venv --clear "$place/venv"
  "$place/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/official/requirements.txt
  cp tests/official/requirements.txt "$place/requirements.installed"
fi

if ! command -v node > /dev/null || ! command -v npm > /dev/null; then
  echo "official: installing node and npm from Debian"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "official: node and npm are missing, and only root on Debian can install them here" >&2
    exit 2
  fi
  apt-get install --yes --no-install-recommends nodejs npm > /dev/null
fi
if [ "$(cat "$place/node/installed" 2> /dev/null)" != "$standardwebhooks" ]; then
  echo "official: installing standardwebhooks $standardwebhooks from npm into $place/node"
  npm install --prefix "$place/node" --no-save --no-audit --no-fund --loglevel=error "standardwebhooks@$standardwebhooks"
  echo "$standardwebhooks" > "$place/node/installed"
fi

exec "$place/venv/bin/python" tests/official/check.py "$binary" "$place" "${1:-all}"
