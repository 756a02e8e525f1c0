#!/bin/sh
# Builds the wheel: build.sh DOCUMENT FOLDER, where DOCUMENT is the file or URL of the OpenAPI document. Needs
# openapi-python-client, poetry-core and pip, in ../../.venv or on the PATH.
set -eu
case "$1" in
http*) from=--url ;;
*) from=--path ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
tools="$here/../../.venv/bin"
if [ -x "$tools/openapi-python-client" ]; then PATH="$tools:$PATH"; fi
if ! command -v openapi-python-client >/dev/null || ! python -c 'import pip, poetry.core' 2>/dev/null; then
    echo "openapi-python-client or poetry-core was not found: pip install openapi-python-client poetry-core" >&2
    exit 1
fi
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT

cp -R "$here/pyproject.toml" "$here/README.md" "$here/ballast_client" "$made"
openapi-python-client generate --meta none "$from" "$1" \
    --output-path "$made/ballast_client/generated" >"$made/log" 2>&1 || { cat "$made/log"; exit 1; }
cat "$made/log" >&2
python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir "$2" "$made"
