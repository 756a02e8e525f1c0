-- Prepaid calls of FreeSWITCH from Ballast accounts, with mod_lua and mod_curl.
--
--   lua ballast.lua authorise           in the dial plan, before `bridge`
--   luarun ballast.lua answered UUID    when the call is answered
--   luarun ballast.lua extend UUID      before the authorised time ends
--   lua ballast.lua ended               when the call has ended
--   luarun ballast.lua flush            posts what Ballast could not take; run it each minute

local api = freeswitch.API()
local settings = dofile(freeswitch.getGlobalVariable("script_dir") .. "/ballast_settings.lua")

local function log(text)
  freeswitch.consoleLog("WARNING", "ballast: " .. text .. "\n")
end

-- Amounts are whole numbers of micros.
local function decimal(micros)
  return string.format("%d.%06d", math.floor(micros / 1000000), micros % 1000000)
end

-- The price of `seconds` in whole increments, rounded up.
local function price(rate, increment, seconds)
  return math.ceil(rate * math.ceil(seconds / increment) * increment / 60)
end

local function rate_of(number)
  for _, line in ipairs(settings.rates) do
    if number:sub(1, #line[1]) == line[1] then
      return math.floor(line[2] * 1000000 + 0.5), line[3]
    end
  end
end

local function json(fields)
  local parts = {}
  for name, value in pairs(fields) do
    if type(value) == "string" then
      value = value:gsub('[%c"\\]', function(char)
        return string.format("\\u%04x", char:byte())
      end)
      value = '"' .. value .. '"'
    end
    parts[#parts + 1] = string.format('"%s":%s', name, value)
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

local function escape(text)
  return (text:gsub("[^%w._~-]", function(char)
    return string.format("%%%02X", char:byte())
  end))
end

-- Returns the status and the text of the answer; status 0 if there is none. mod_curl takes at most
-- ten words, and decodes the last one.
local function request(method, path, fields)
  local answer = api:execute("curl", table.concat({
    settings.url .. "/api/v1" .. path, "json", "timeout", settings.timeout,
    "append_headers", "'Authorization: Bearer " .. settings.key .. "'",
    "append_headers", "Content-Type:application/json",
    method, escape(json(fields)),
  }, " ")) or ""
  return tonumber(answer:match('"status_code": *"?(%d+)')) or 0, answer
end

-- The seconds that an answer grants. mod_curl escapes the quotes of the answer.
local function granted(answer)
  return tonumber(answer:match('\\"seconds\\": *(%d+)'))
end

-- What reports have debited; nil if the answer does not say.
local function debited(answer)
  local whole, part = answer:match('\\"used\\": *\\"(%d+)%.?(%d*)')
  return whole and tonumber(whole) * 1000000 + tonumber((part .. "000000"):sub(1, 6))
end

local function code_of(answer)
  return answer:match('\\"code\\": *\\"([%w_]+)')
end

local function get(uuid, name)
  local value = api:execute("uuid_getvar", uuid .. " " .. name)
  return value ~= "_undef_" and not value:find("^-ERR") and value or nil
end

local function set(uuid, name, value)
  api:execute("uuid_setvar", uuid .. " " .. name .. " " .. value)
end

-- Asks for the next part before `seconds` are over, or ends the call then.
local function guard(uuid, seconds)
  set(uuid, "ballast_until", os.time() + seconds)
  if seconds > settings.lead then
    api:execute("sched_api", string.format(
      "+%d none luarun ballast.lua extend %s", seconds - settings.lead, uuid))
  else
    api:execute("sched_hangup", string.format("+%d %s ALLOTTED_TIMEOUT", seconds, uuid))
  end
end

local function append(path, account, reference, total)
  local file = assert(io.open(path, "a"))
  file:write(string.format("%s %s %d\n", account, reference, total))
  file:close()
end

-- Debits the rest of the call and ends its hold; `total` is the price of the whole call. Returns
-- "done"; "refused" if Ballast will never take it; or "later". Each answer says what reports have
-- debited, also a refusal, so a report of the same call debits nothing twice.
local function finish(account, reference, total)
  local status, answer = request("patch", "/holds/" .. escape(reference),
    { external_id = account, used_total = decimal(total) })
  local code, used = code_of(answer), debited(answer)
  if status == 404 and code == "not_found" then
    used = 0 -- no hold, hence no report of a part
  elseif not used then
    return "later", status, answer
  end
  local rest = math.max(total - used, 0)
  if rest == 0 and code == "hold_closed" then
    return "done"
  end
  status, answer = request("post", "/usage",
    { external_id = account, reference = reference, amount = decimal(rest) })
  code = code_of(answer)
  if status == 201 then
    return "done"
  elseif code == "conflict" or code == "invalid" or code == "too_large" then
    return rest == 0 and "done" or "refused", status, answer -- of nothing: there is no hold to end
  end
  return "later", status, answer
end

local function finish_or_keep(account, reference, total)
  local outcome, status, answer = finish(account, reference, total)
  if outcome == "later" then
    log(reference .. " is reported later: " .. status .. " " .. answer)
    append(settings.pending, account, reference, total)
  elseif outcome == "refused" then
    log(reference .. " was refused, and is not debited in full: " .. status .. " " .. answer)
    append(settings.pending .. ".refused", account, reference, total)
  end
end

-- Refusals after which a call has no further part.
local final = {
  insufficient_balance = true,
  account_suspended = true,
  account_closed = true,
  too_many_holds = true,
  hold_closed = true,
  not_found = true,
}

local tasks = {}

function tasks.authorise()
  local account = session:getVariable("accountcode") or ""
  local reference = "freeswitch-" .. session:getVariable("uuid")
  local rate, increment = rate_of(session:getVariable("destination_number"):gsub("^%+", ""))
  local status, answer = 403, "no rate for this number"
  if rate then
    status, answer = request("post", "/holds", {
      external_id = account,
      reference = reference,
      rate_per_minute = decimal(rate),
      increment = increment,
      amount = decimal(price(rate, increment, settings.period)),
      expires_in = settings.period + settings.grace,
    })
  end
  if status ~= 200 and status ~= 201 then
    log(reference .. " was not authorised: " .. status .. " " .. answer)
    session:execute("respond", (status == 402 or status == 403) and tostring(status) or "503")
    session:hangup("CALL_REJECTED")
    return
  end
  -- A new rate applies to new calls only.
  session:setVariable("ballast_account", account)
  session:setVariable("ballast_reference", reference)
  session:setVariable("ballast_rate", tostring(rate))
  session:setVariable("ballast_increment", tostring(increment))
  session:setVariable("ballast_seconds", tostring(granted(answer)))
  session:setVariable("api_on_answer", "luarun ballast.lua answered " .. session:getVariable("uuid"))
  session:setVariable("api_hangup_hook", "lua ballast.lua ended")
end

function tasks.answered(uuid)
  set(uuid, "ballast_answered", os.time())
  guard(uuid, tonumber(get(uuid, "ballast_seconds")))
end

function tasks.extend(uuid)
  local answered = get(uuid, "ballast_answered")
  if not answered then
    return -- the call has ended
  end
  local rate = tonumber(get(uuid, "ballast_rate"))
  local increment = tonumber(get(uuid, "ballast_increment"))
  local reference = get(uuid, "ballast_reference")
  local status, answer = request("patch", "/holds/" .. escape(reference), {
    external_id = get(uuid, "ballast_account"),
    used_total = decimal(price(rate, increment, os.time() - tonumber(answered))),
    amount = decimal(price(rate, increment, settings.period)),
  })
  if status == 200 then
    guard(uuid, granted(answer))
    return
  end
  log(reference .. " was not extended: " .. status .. " " .. answer)
  local left = tonumber(get(uuid, "ballast_until")) - os.time()
  if final[code_of(answer)] then
    api:execute("uuid_kill", uuid .. " ALLOTTED_TIMEOUT")
  elseif left > settings.retry then
    api:execute("sched_api", string.format(
      "+%d none luarun ballast.lua extend %s", settings.retry, uuid))
  else
    api:execute("sched_hangup", string.format("+%d %s ALLOTTED_TIMEOUT", math.max(left, 0), uuid))
  end
end

function tasks.ended()
  local rate = tonumber(env:getHeader("ballast_rate"))
  local increment = tonumber(env:getHeader("ballast_increment"))
  local seconds = tonumber(env:getHeader("billsec")) or 0
  finish_or_keep(env:getHeader("ballast_account"), env:getHeader("ballast_reference"),
    price(rate, increment, seconds))
end

function tasks.flush()
  local taken = settings.pending .. ".taken"
  local file = io.open(taken) -- left by a flush that did not end
  if not file then
    os.rename(settings.pending, taken)
    file = io.open(taken)
  end
  if not file then
    return
  end
  for line in file:lines() do
    local account, reference, total = line:match("^(%S+) (%S+) (%d+)$")
    if account then
      finish_or_keep(account, reference, tonumber(total))
    end
  end
  file:close()
  os.remove(taken)
end

tasks[argv[1]](argv[2])
