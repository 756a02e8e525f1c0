#!/bin/sh
# Packs the package: build.sh DOCUMENT FOLDER, where DOCUMENT is the file or URL of the OpenAPI document. Needs npm,
# openapi-typescript and tsc on the PATH, and openapi-fetch in ../../node_modules.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT

cp -R "$here/package.json" "$here/README.md" "$here/tsconfig.json" "$here/src" "$made"
ln -s "$here/../../node_modules" "$made/node_modules"
openapi-typescript "$1" --output "$made/src/schema.ts" >"$made/log" 2>&1 || { cat "$made/log"; exit 1; }
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$made"
tsc --project .
npm pack --silent --pack-destination "$folder"
