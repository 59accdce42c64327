#!/usr/bin/env bash
# The console in a real browser: Debian's Chromium walks the main paths, axe-core looks at every page.
# Installs what it needs: Chromium and its driver from Debian, selenium from PyPI, axe-core from npm.
#
#   tests/browser/run.sh               the walk
#   tests/browser/run.sh screenshots   the same, and docs/screenshots/ is made anew
set -euo pipefail
cd "$(dirname "$0")/../.."
place=target/browser
binary=${CARGO_TARGET_DIR:-target}/release/countersign
axe=4.14.1

if [ ! -x "$binary" ]; then
  echo "browser: $binary is missing: cargo build --release --package countersign-cli" >&2
  exit 2
fi
mkdir -p "$place/node"

missing=()
command -v chromium > /dev/null || missing+=(chromium)
command -v chromedriver > /dev/null || missing+=(chromium-driver)
command -v npm > /dev/null || missing+=(nodejs npm)
if [ "${#missing[@]}" -gt 0 ]; then
  echo "browser: installing ${missing[*]} from Debian"
  if [ "$(id -u)" != 0 ] || ! command -v apt-get > /dev/null; then
    echo "browser: ${missing[*]}: missing, and only root on Debian can install them here" >&2
    exit 2
  fi
  apt-get install --yes --no-install-recommends "${missing[@]}" fonts-dejavu-core > /dev/null
fi
if ! cmp -s tests/browser/requirements.txt "$place/requirements.installed"; then
  echo "browser: installing selenium from PyPI into $place/venv"
  python3 -m venv --clear "$place/venv"
  "$place/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/browser/requirements.txt
  cp tests/browser/requirements.txt "$place/requirements.installed"
fi
if [ "$(cat "$place/node/installed" 2> /dev/null)" != "$axe" ]; then
  echo "browser: installing axe-core $axe from npm into $place/node"
  npm install --prefix "$place/node" --no-save --no-audit --no-fund --loglevel=error "axe-core@$axe"
  echo "$axe" > "$place/node/installed"
fi

exec "$place/venv/bin/python" tests/browser/walk.py "$binary" "$place" "${1:-walk}"
