#!/bin/sh
# Installs PostgreSQL and PgBouncer for the tests if they are missing, and reports on stderr.
set -u

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# By default Debian's package also creates a cluster and starts it on port 5432.
from_apt() {
    export DEBIAN_FRONTEND=noninteractive
    config=/etc/postgresql-common/createcluster.conf
    command -v apt-get >/dev/null &&
        as_root apt-get -qq update &&
        as_root apt-get -qq install --no-install-recommends postgresql-common &&
        as_root sed -i 's/^#* *create_main_cluster.*/create_main_cluster = false/' "$config" &&
        as_root apt-get -qq install --no-install-recommends postgresql
}

has_pgbouncer() {
    [ -x /usr/sbin/pgbouncer ] || command -v pgbouncer >/dev/null
}

# The package also starts a service, which is disabled here.
pgbouncer_from_apt() {
    command -v apt-get >/dev/null &&
        as_root apt-get -qq update &&
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get -qq install --no-install-recommends pgbouncer || return
    as_root systemctl disable --now pgbouncer >/dev/null 2>&1
    has_pgbouncer
}

find=$(dirname "$0")/find.sh
if ! "$find" >/dev/null; then
    echo "PostgreSQL is missing: installing it for the tests" >&2
    if ! { from_apt >&2 && "$find" >/dev/null; }; then
        echo "PostgreSQL could not be installed: its tests are skipped" >&2
        exit 1
    fi
fi
has_pgbouncer && exit
echo "PgBouncer is missing: installing it for the tests" >&2
pgbouncer_from_apt >&2 && exit
echo "PgBouncer could not be installed: its tests are skipped" >&2
exit 1
