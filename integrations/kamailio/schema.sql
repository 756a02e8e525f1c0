-- Ballast's tables and functions in Kamailio's PostgreSQL database. kamailio.cfg calls the functions.
--
-- A row of ballast.calls is written before Ballast is asked for the hold, and is the spool of usage:
-- a call that has ended stays unsettled until Ballast has answered for its usage record.

CREATE SCHEMA ballast;

CREATE TABLE ballast.rates (
    prefix text PRIMARY KEY, -- of the dialled number; the longest one that matches applies
    rate_per_minute numeric(12, 6) NOT NULL CHECK (rate_per_minute > 0), -- in the account's currency
    increment integer NOT NULL DEFAULT 1 CHECK (increment > 0) -- seconds; each one begun is charged
);

CREATE TABLE ballast.calls (
    reference text PRIMARY KEY, -- of the hold and of the usage record
    external_id text NOT NULL, -- the account
    call_id text NOT NULL,
    number text NOT NULL,
    rate_per_minute numeric(12, 6) NOT NULL,
    increment integer NOT NULL,
    offered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    dialog_entry integer, -- Kamailio's hash_entry and hash_id of the dialog; NULL before the grant
    dialog_id integer,
    answered_at timestamptz,
    granted integer NOT NULL DEFAULT 0, -- seconds since the answer that Ballast has granted
    reported integer NOT NULL DEFAULT 0, -- of these, seconds that are debited already
    part_seconds integer, -- seconds of a report without an answer yet
    extend_at timestamptz, -- when to report and extend; NULL: not
    ended_at timestamptz,
    seconds integer, -- to charge for the whole call; NULL until it has ended
    settled_at timestamptz, -- when Ballast answered for the usage record
    refusal text -- why Ballast refused the usage record
);

CREATE INDEX ON ballast.calls (dialog_entry, dialog_id);
CREATE INDEX ON ballast.calls (ended_at) WHERE settled_at IS NULL;

-- Cost of a number of seconds, rounded up as Ballast does. Parts are differences of it, so that no
-- rounding adds up.
CREATE FUNCTION ballast.cost(call ballast.calls, seconds integer) RETURNS numeric
LANGUAGE sql IMMUTABLE AS $$
    SELECT (ceil(seconds * call.rate_per_minute * 1000000 / 60) / 1000000)::numeric(18, 6)
$$;

-- Seconds since the answer.
CREATE FUNCTION ballast.elapsed(call ballast.calls) RETURNS numeric
LANGUAGE sql VOLATILE AS $$
    SELECT coalesce(extract(epoch FROM clock_timestamp() - call.answered_at), 0)
$$;

-- An INVITE is to be authorised: write the call and return its reference and the body of
-- `POST /holds`. No row: the number has no rate. The Call-ID comes as hexadecimal digits, because it
-- may contain quotes; the reference is unique even if a caller repeats a Call-ID.
CREATE FUNCTION ballast.offer(
    customer text, dialled text, call_id_hex text, grant_seconds integer, hold_seconds integer
) RETURNS TABLE (reference text, hold text)
LANGUAGE sql AS $$
    WITH rate AS (
        SELECT * FROM ballast.rates WHERE starts_with(dialled, prefix)
        ORDER BY length(prefix) DESC LIMIT 1
    ), id AS (
        SELECT convert_from(decode(call_id_hex, 'hex'), 'UTF8') AS call_id
    ), call AS (
        INSERT INTO ballast.calls (
            reference, external_id, call_id, number, rate_per_minute, increment
        )
        SELECT left(regexp_replace(call_id, '[^A-Za-z0-9.@_-]', '_', 'g'), 80) || '-'
                || to_hex((extract(epoch FROM clock_timestamp()) * 1000000)::bigint),
            customer, call_id, dialled, rate_per_minute, increment
        FROM rate, id
        RETURNING *
    )
    SELECT reference, json_build_object(
        'external_id', external_id,
        'reference', reference,
        'rate_per_minute', rate_per_minute::text,
        'increment', increment,
        'amount', ballast.cost(call, grant_seconds)::text,
        'expires_in', hold_seconds
    )::text FROM call
$$;

-- Ballast refused the hold: nothing is to be settled.
CREATE FUNCTION ballast.refused(call_reference text) RETURNS text
LANGUAGE sql AS $$
    DELETE FROM ballast.calls WHERE reference = call_reference RETURNING reference
$$;

-- Ballast granted seconds from the answer on.
CREATE FUNCTION ballast.granted(
    call_reference text, granted_seconds integer, hash_entry integer, hash_id integer
) RETURNS text
LANGUAGE sql AS $$
    UPDATE ballast.calls SET granted = granted_seconds, dialog_entry = hash_entry,
        dialog_id = hash_id
    WHERE reference = call_reference RETURNING reference
$$;

-- When to extend a part that ends at second `granted`: `lead` seconds before its end, or in the
-- middle of a shorter part. The last second is not extended.
CREATE FUNCTION ballast.extend_at(call ballast.calls, last_part integer, lead integer) RETURNS timestamptz
LANGUAGE sql IMMUTABLE AS $$
    SELECT call.answered_at + make_interval(secs => call.granted - least(lead, last_part / 2))
    WHERE last_part > 1
$$;

CREATE FUNCTION ballast.answered(call_reference text, lead integer) RETURNS text
LANGUAGE sql AS $$
    UPDATE ballast.calls SET answered_at = clock_timestamp() WHERE reference = call_reference;
    UPDATE ballast.calls AS call SET extend_at = ballast.extend_at(call, granted, lead)
    WHERE reference = call_reference RETURNING reference
$$;

-- Calls to extend now, and reports whose answer was lost, with the dialog's identifiers.
CREATE VIEW ballast.due AS
    SELECT reference, callid, from_tag, to_tag
    FROM ballast.calls LEFT JOIN dialog
        ON hash_entry = dialog_entry AND hash_id = dialog_id AND ended_at IS NULL
    WHERE extend_at <= clock_timestamp()
        AND (part_seconds IS NOT NULL OR state = 4); -- 4: the caller has sent ACK

-- The next report of a call: path and body of `PATCH /holds/REFERENCE`. Until it is answered, it is
-- returned again, at most every two seconds; no row in between. It names what the call has used since
-- its start, so that the same report again debits nothing more.
CREATE FUNCTION ballast.report(call_reference text, grant_seconds integer, hold_seconds integer)
RETURNS TABLE (path text, body text)
LANGUAGE sql AS $$
    UPDATE ballast.calls AS call SET
        part_seconds = coalesce(
            part_seconds,
            least(floor(ballast.elapsed(call))::integer, granted) / increment * increment - reported
        ),
        extend_at = clock_timestamp() + interval '2 seconds'
    WHERE reference = call_reference AND extend_at <= clock_timestamp()
        AND (part_seconds IS NOT NULL OR ended_at IS NULL)
    RETURNING '/holds/' || reference, json_build_object(
        'external_id', external_id,
        'used_total', ballast.cost(call, reported + part_seconds)::text,
        'amount', ballast.cost(call, grant_seconds)::text,
        'expires_in', hold_seconds
    )::text
$$;

-- Ballast answered a report: `used` is what reports have debited, the answer's decimal number or
-- empty; `more` how many seconds were granted from then on; NULL: as before. Returns the seconds left
-- of a call in progress, and its dialog.
CREATE FUNCTION ballast.extended(
    call_reference text, used text, more integer, lead integer
) RETURNS TABLE (seconds_left integer, hash_entry integer, hash_id integer)
LANGUAGE sql AS $$
    UPDATE ballast.calls AS call SET
        reported = reported + CASE
            WHEN nullif(used, '')::numeric >= ballast.cost(call, reported + part_seconds)
            THEN part_seconds ELSE 0
        END,
        granted = coalesce(reported + part_seconds + more, granted),
        part_seconds = NULL,
        extend_at = NULL
    WHERE reference = call_reference AND part_seconds IS NOT NULL;
    UPDATE ballast.calls AS call SET extend_at = ballast.extend_at(call, more, lead)
    WHERE reference = call_reference AND ended_at IS NULL;
    UPDATE dialog SET timeout = 0 -- the trigger sets it
    FROM ballast.calls WHERE reference = call_reference
        AND dialog.hash_entry = dialog_entry AND dialog.hash_id = dialog_id AND ended_at IS NULL
    RETURNING greatest(timeout - extract(epoch FROM clock_timestamp()), 1)::integer,
        dialog_entry, dialog_id
$$;

-- Kamailio 5.6 stores a wrong timeout at the answer, and none when a call is extended. After a
-- restart it cuts calls at what is stored.
CREATE FUNCTION ballast.set_timeout() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
    SELECT ceil(extract(epoch FROM answered_at) + granted) INTO NEW.timeout FROM ballast.calls
    WHERE dialog_entry = NEW.hash_entry AND dialog_id = NEW.hash_id AND ended_at IS NULL;
    NEW.timeout = coalesce(NEW.timeout, 0);
    RETURN NEW;
END
$$;

CREATE TRIGGER ballast_timeout BEFORE INSERT OR UPDATE ON dialog
FOR EACH ROW EXECUTE FUNCTION ballast.set_timeout();

-- A call has ended, or was never answered: it is charged for each increment begun. `cut`: by us, when
-- its granted seconds were over; the moment until then is not charged.
CREATE FUNCTION ballast.ended(call_reference text, cut boolean) RETURNS text
LANGUAGE sql AS $$
    UPDATE ballast.calls AS call SET
        ended_at = clock_timestamp(),
        seconds = least(
            ceil(ballast.elapsed(call) / increment)::integer * increment,
            CASE WHEN cut THEN granted END
        )
    WHERE reference = call_reference AND ended_at IS NULL RETURNING reference
$$;

-- Kamailio has started: calls whose dialog was never written were not answered, so they end without
-- a charge. Returns them.
CREATE FUNCTION ballast.resume() RETURNS SETOF text
LANGUAGE sql AS $$
    UPDATE ballast.calls SET ended_at = clock_timestamp(), seconds = 0
    WHERE ended_at IS NULL AND NOT EXISTS (
        SELECT FROM dialog WHERE hash_entry = dialog_entry AND hash_id = dialog_id
    )
    RETURNING reference
$$;

-- The rest of each ended call, as a body of `POST /usage`; no row if there is none.
CREATE VIEW ballast.unsettled AS
    SELECT external_id, reference,
        ballast.cost(call, seconds) - ballast.cost(call, reported) AS amount,
        to_char(ended_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS occurred_at,
        'Call to ' || number || ', ' || seconds || ' s' AS description
    FROM ballast.calls AS call
    WHERE ended_at IS NOT NULL AND settled_at IS NULL AND part_seconds IS NULL;

CREATE FUNCTION ballast.usage() RETURNS SETOF text
LANGUAGE sql AS $$
    SELECT json_build_object('records', json_agg(record))::text FROM (
        SELECT external_id, reference, amount::text, occurred_at, description
        FROM ballast.unsettled LIMIT 50
    ) AS record HAVING count(*) > 0
$$;

-- Ballast answered for usage records, with a JSON object in hexadecimal digits. Returns what it
-- refused, which is not sent again. A record of nothing, which ends a hold, may be refused.
CREATE FUNCTION ballast.settled(answer_hex text) RETURNS TABLE (reference text, refusal text)
LANGUAGE sql AS $$
    UPDATE ballast.calls AS call SET
        settled_at = clock_timestamp(),
        refusal = CASE
            WHEN record->>'status' IN ('posted', 'duplicate') 
                OR ballast.cost(call, seconds) = ballast.cost(call, reported) THEN NULL
            ELSE record::text
        END
    FROM json_array_elements(
        convert_from(decode(answer_hex, 'hex'), 'UTF8')::json->'records'
    ) AS record
    WHERE call.reference = record->>'reference' AND settled_at IS NULL
    RETURNING call.reference, call.refusal
$$;
