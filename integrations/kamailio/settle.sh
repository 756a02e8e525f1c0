#!/bin/sh
# settle.sh [--end-calls]: debits calls that have ended, in place of a Kamailio that does not run.
# With --end-calls it ends calls in progress first: they are charged up to now, and at most for the
# seconds that Ballast granted. Safe to run again. Needs the variables of ballast.env.
set -eu

sql() {
    psql --no-psqlrc --quiet --tuples-only --no-align --field-separator='	' \
        --set ON_ERROR_STOP=1 --command "$1" "$DATABASE"
}

if [ "${1-}" = --end-calls ]; then
    sql "SELECT ballast.ended(reference, true) FROM ballast.calls WHERE ended_at IS NULL"
fi

# Reports whose answer was lost. The same report again debits nothing more.
sql "UPDATE ballast.calls SET extend_at = clock_timestamp()
    WHERE part_seconds IS NOT NULL AND ended_at IS NOT NULL RETURNING reference" |
    while read -r reference; do
        sql "SELECT report.* FROM ballast.calls, ballast.report(reference, increment, 60) AS report
            WHERE reference = '$reference'" |
            while IFS='	' read -r path body; do
                answer=$("$BALLAST_PATCH" "$path" "$body")
                case $answer in
                200* | *insufficient_balance* | *account_suspended* | *account_closed* | *too_many_holds*) ;;
                *hold_closed* | *'"conflict"'* | *not_found* | *'"invalid"'* | *balance_out_of_range*) ;;
                *)
                    echo "$reference: Ballast answered $answer" >&2
                    continue ;;
                esac
                # A refusal, too, says what reports have debited.
                used=$(printf '%s' "$answer" | sed -n 's/.*"used": *"\([0-9.]*\)".*/\1/p')
                sql "SELECT * FROM ballast.extended('$reference', '$used', 0, 0)"
            done
    done

while body=$(sql "SELECT * FROM ballast.usage()") && [ -n "$body" ]; do
    answer=$(
        printf 'header = "Authorization: Bearer %s"\n' "$BALLAST_KEY" |
            curl --silent --show-error --config - --header 'Content-Type: application/json' \
                --data "$body" "$BALLAST_URL/api/v1/usage"
    )
    hex=$(printf '%s' "$answer" | od -An -v -tx1 | tr -d ' \n')
    settled=$(sql "SELECT * FROM ballast.settled('$hex')")
    printf '%s\n' "${settled:-$answer}"
    [ -n "$settled" ] || break
done

left=$(sql "SELECT count(*) FROM ballast.calls WHERE ended_at IS NOT NULL AND settled_at IS NULL")
[ "$left" = 0 ] || { echo "$left ended calls are not settled" >&2; exit 1; }
