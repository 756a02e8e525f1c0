-- Settings of ballast.lua.
return {
  url = "http://127.0.0.1:8000",
  -- A provider key with the scopes `holds` and `usage`.
  key = "bk_...",
  -- A call is authorised for so many seconds at a time.
  period = 120,
  -- Seconds before the end of a period when the next one is asked for.
  lead = 15,
  -- Seconds until the next attempt if Ballast does not answer.
  retry = 5,
  -- Seconds that a request may take.
  timeout = 4,
  -- Seconds for which a hold outlasts its period: ringing, and a report that is late.
  grace = 300,
  -- Where usage waits that Ballast could not take. `ballast.lua flush` posts it. What Ballast has
  -- refused is in a file of the same name with `.refused`.
  pending = "/var/lib/freeswitch/ballast-pending",
  -- Called number's prefix, price per minute in the account's currency, increment in seconds. The
  -- first line that fits decides.
  rates = {
    { "3538", "0.0900", 1 },
    { "353", "0.0150", 1 },
    { "1", "0.0120", 6 },
  },
}
