#!/bin/sh
# Print the path of a working Chromium, and install one if necessary; progress goes to stderr. Exit
# with 1 if none is available: the browser tests then fail.
set -u

# --version loads every shared library, so a browser with a missing one is skipped.
starts() {
    [ -n "$1" ] && command -v "$1" >/dev/null && "$1" --version >/dev/null 2>&1
}

on_the_path() {
    # The headless shell starts and loads in half the time.
    for name in chromium-headless-shell \
        chromium chromium-browser google-chrome google-chrome-stable; do
        if starts "$name"; then command -v "$name"; return; fi
    done
    return 1
}

playwrights_own() {
    path=$(.venv/bin/python -c '
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    print(playwright.chromium.executable_path)')
    starts "$path" && echo "$path"
}

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

from_apt() {
    export DEBIAN_FRONTEND=noninteractive
    command -v apt-get >/dev/null &&
        as_root apt-get -qq update >&2 &&
        # Chromium needs a font to draw text, and libatomic to start.
        { apt_gets chromium-headless-shell || apt_gets chromium; }
}

apt_gets() {
    as_root apt-get -qq install --no-install-recommends "$1" fonts-inter libatomic1 >&2
}

cd "$(dirname "$0")/../.." || exit 1

if [ -n "${CHROMIUM:-}" ]; then
    if starts "$CHROMIUM"; then command -v "$CHROMIUM"; exit; fi
    echo "CHROMIUM: '$CHROMIUM' does not start" >&2
    exit 1
fi

on_the_path && exit
playwrights_own && exit
echo "No Chromium here: installing one for the browser tests" >&2
.venv/bin/playwright install chromium >&2 && playwrights_own && exit
from_apt && on_the_path && exit
echo "No Chromium could be installed: set CHROMIUM to the path of one" >&2
exit 1
