#!/bin/sh
# Installs PostgreSQL and PgBouncer for the tests where they are not there and can be; tells on
# stderr what it does.
set -u

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

# Debian's package would also make a cluster and start it, on this machine's port 5432.
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

# Its package starts one too, where the machine has services.
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
    echo "No PostgreSQL here: installing one for the tests" >&2
    if ! { from_apt >&2 && "$find" >/dev/null; }; then
        echo "No PostgreSQL could be installed: the tests on it are skipped" >&2
        exit 1
    fi
fi
has_pgbouncer && exit
echo "No PgBouncer here: installing one for the tests" >&2
pgbouncer_from_apt >&2 && exit
echo "No PgBouncer could be installed: the tests on it are skipped" >&2
exit 1
