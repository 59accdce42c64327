#!/usr/bin/env bash
# Exports read with other people's code: pyarrow, the published OCSF schema, boto3, and moto's S3 with object lock. Builds the
# binary with the features `parquet` and `s3`, and installs the packages from PyPI into target/official/exports, pinned, once.
set -euo pipefail
cd "$(dirname "$0")/../.."
place=target/official/exports
target=${CARGO_TARGET_DIR:-target}
profile=${COUNTERSIGN_PROFILE:-release}

mkdir -p "$place"
if ! cmp -s tests/official/exports.txt "$place/exports.installed"; then
  echo "exports: installing pyarrow, ocsf-json-schema, jsonschema, boto3 and moto from PyPI into $place/venv"
  python3 -m venv --clear "$place/venv"
  "$place/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/official/exports.txt
  cp tests/official/exports.txt "$place/exports.installed"
fi
echo "exports: tests beside the code of both features ($profile)"
cargo test --quiet --locked --profile "$profile" --package countersign-export --features parquet,s3
echo "exports: building countersign with the features parquet and s3 ($profile)"
cargo build --quiet --locked --profile "$profile" --package countersign-cli --features parquet,s3
folder=$([ "$profile" = dev ] && echo debug || echo "$profile")
# Under a name of its own: the next build without the features takes the place of the other.
cp "$target/$folder/countersign" "$place/countersign"
exec "$place/venv/bin/python" tests/official/exports.py "$place/countersign"
