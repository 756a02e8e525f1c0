#!/bin/sh
# Installs PostgreSQL for the tests where it is not there and can be; tells on stderr what it does.
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

find=$(dirname "$0")/find.sh
"$find" >/dev/null && exit
echo "No PostgreSQL here: installing one for the tests" >&2
from_apt >&2 && "$find" >/dev/null && exit
echo "No PostgreSQL could be installed: the tests on it are skipped" >&2
exit 1
