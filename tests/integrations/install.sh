#!/bin/sh
# Installs the programs of integrations/ for the tests if they are missing, and reports on stderr.
set -u

as_root() {
    if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi
}

has() {
    command -v "$1" >/dev/null || [ -x "/usr/sbin/$1" ]
}

# Debian's packages also start services on their usual ports, which are stopped here.
from_apt() {
    command -v apt-get >/dev/null || return
    [ -n "${updated-}" ] || as_root apt-get -qq update
    updated=yes
    as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -qq install --no-install-recommends "$@" || return
    as_root systemctl disable --now "$1" >/dev/null 2>&1
    has "$program"
}

# PROGRAM PACKAGE...: the first package names the service, if there is one.
need() {
    program=$1
    shift
    has "$program" && return
    echo "$program is missing: installing it for the tests" >&2
    from_apt "$@" >&2 && return
    echo "$program could not be installed: its tests are skipped" >&2
    status=1
}

status=0
need freeradius freeradius freeradius-rest freeradius-utils
need nginx nginx
need lua5.4 lua5.4
need kamailio kamailio kamailio-postgres-modules kamailio-utils-modules kamailio-json-modules curl
need sipp sip-tester
exit $status
