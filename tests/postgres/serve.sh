#!/bin/sh
# serve.sh BIN FOLDER: a PostgreSQL server with a fresh cluster in FOLDER, reached by the socket
# there. It serves until its input is closed, which the kernel does however the tests end; then
# nothing is left of it.
set -eu
bin=$1 folder=$2

"$bin/initdb" --pgdata="$folder/data" --username=ballast --auth=trust \
    --encoding=UTF8 --no-locale --no-sync >/dev/null

# Nothing here must survive a power cut, and nobody else connects.
"$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off \
    -c shared_buffers=32MB -c log_min_messages=fatal &

cat >/dev/null
kill -QUIT $!
wait
cd / && rm -r "$folder"
