#!/bin/sh
# Prints the folder of PostgreSQL's programs: $POSTGRES_BIN, on the PATH, or Debian's folder of
# the newest version. Exits 1 if there is none.
set -u

here() {
    [ -x "$1/initdb" ] && [ -x "$1/postgres" ] && echo "$1"
}

if [ -n "${POSTGRES_BIN:-}" ]; then
    here "$POSTGRES_BIN"
    exit
fi
initdb=$(command -v initdb) && here "$(dirname "$(readlink -f "$initdb")")" && exit
for folder in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV); do
    here "$folder" && exit
done
exit 1
