#!/bin/sh
# patch.sh PATH BODY: sends PATCH to Ballast, which http_client of Kamailio 5.6
# cannot. Prints the status (000 without an answer) and the answer's body as one line.
set -u

# The key comes by standard input, because arguments are visible in the list of processes.
answer=$(
    printf 'header = "Authorization: Bearer %s"\n' "$BALLAST_KEY" |
        curl --silent --max-time 3 --config - --request PATCH \
            --header 'Content-Type: application/json' --data "$2" \
            --write-out '\n%{http_code}' "$BALLAST_URL/api/v1$1"
)
status=$(printf '%s' "$answer" | tail -n 1)
body=$(printf '%s' "$answer" | sed '$d' | tr -d '\n')
printf '%s %s\n' "$status" "${body:-{\}}"
