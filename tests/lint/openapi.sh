#!/bin/sh
# Checks the OpenAPI document with Redocly and Spectral. Needs the PATH of node.sh.
set -eu
cd "$(dirname "$0")/../.."

folder=$(mktemp -d)
trap 'rm -r "$folder"' EXIT
.venv/bin/python - >"$folder/openapi.json" <<'PYTHON'
import json

from webapp.api import OPERATIONS
from webapp.api.reference import document

print(json.dumps(document.build(OPERATIONS, "https://ballast.test"), indent=1))
PYTHON

# Redocly also prints a banner where Node is old, so its output is shown only if it finds something.
REDOCLY_TELEMETRY=off redocly lint "$folder/openapi.json" --format stylish \
    --config tests/lint/redocly.yaml >"$folder/found" 2>&1 || { cat "$folder/found"; exit 1; }
spectral lint "$folder/openapi.json" --quiet --ruleset tests/lint/spectral.yaml --fail-severity hint
