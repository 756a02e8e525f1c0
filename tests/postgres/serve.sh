#!/bin/sh
# serve.sh BIN FOLDER: runs a PostgreSQL server with a new cluster in FOLDER, on a socket there. It
# runs until its input is closed, which the kernel does however the tests end, and then deletes
# FOLDER.
set -eu
bin=$1 folder=$2

"$bin/initdb" --pgdata="$folder/data" --username=ballast --auth=trust \
    --encoding=UTF8 --no-locale --no-sync >/dev/null

# Durability is off, and only the tests connect.
"$bin/postgres" -D "$folder/data" -k "$folder" -c listen_addresses= \
    -c fsync=off -c synchronous_commit=off -c full_page_writes=off -c autovacuum=off \
    -c dynamic_shared_memory_type=mmap -c shared_buffers=32MB -c log_min_messages=fatal &

cat >/dev/null
kill -QUIT $!
wait
cd / && rm -r "$folder"
