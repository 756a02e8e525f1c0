#!/bin/sh
# Packs the package: build.sh DOCUMENT FOLDER, where DOCUMENT is the file or URL of the OpenAPI document. Needs npm on
# the PATH, openapi-typescript and tsc there or in ../../node_modules/.bin, and openapi-fetch in ../../node_modules.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
PATH="$root/node_modules/.bin:$PATH"
command -v npm >/dev/null || { echo "npm was not found: install Node 20 or newer" >&2; exit 1; }
if ! command -v openapi-typescript >/dev/null || ! command -v tsc >/dev/null || [ ! -d "$root/node_modules/openapi-fetch" ]
then
    echo "openapi-typescript, typescript or openapi-fetch was not found: run npm install in $root" >&2
    exit 1
fi
made=$(mktemp -d)
trap 'rm -r "$made"' EXIT

cp -R "$here/package.json" "$here/README.md" "$here/tsconfig.json" "$here/src" "$made"
ln -s "$root/node_modules" "$made/node_modules"
openapi-typescript "$1" --output "$made/src/schema.ts" >"$made/log" 2>&1 || { cat "$made/log"; exit 1; }
mkdir -p "$2"
folder=$(cd "$2" && pwd)
cd "$made"
tsc --project .
npm pack --silent --pack-destination "$folder"
