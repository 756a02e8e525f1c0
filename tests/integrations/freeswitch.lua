-- Stand-in of FreeSWITCH for one call: runs ballast.lua as mod_lua does, on a clock of its own.
--
--   freeswitch.lua FOLDER TASK [ACCOUNT NUMBER UUID TALK [PAUSE...]]
--
-- FOLDER has the scripts. TASK `call` plays a call that is answered at once and that the caller ends
-- after TALK seconds; -1: it is not answered. At each second of PAUSE, a line is written and one is
-- awaited. Another TASK is passed on to ballast.lua. Ends with the facts of the call, one in a line.

local folder, task, account, number, uuid, talk = table.unpack(arg)
local now = 1800000000
local tasks = {}
local channel = { accountcode = account, destination_number = number, uuid = uuid }
local alive, facts = true, {}

os.time = function()
  return now
end

local function schedule(seconds, run)
  tasks[#tasks + 1] = { at = now + seconds, number = #tasks, run = run }
end

-- Words, with quotes, as FreeSWITCH separates them; the last of `most` words has the rest.
local function separated(text, most)
  local words = {}
  while text ~= "" and #words < most - 1 do
    local word, rest = text:match("^'([^']*)' *(.*)$")
    if not word then
      word, rest = text:match("^(%S+) *(.*)$")
    end
    words[#words + 1], text = word, rest
  end
  words[#words + 1] = text ~= "" and text or nil
  return words
end

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

-- mod_curl's command, with the real curl.
local function curl(text)
  local words = separated(text, 10)
  local command = { "curl -s -w '\\n%{http_code}' " .. quoted(words[1]) }
  local is_json, at = false, 2
  while at <= #words do
    local word = words[at]
    if word == "json" then
      is_json = true
    elseif word == "timeout" then
      at = at + 1
      command[#command + 1] = "-m " .. words[at]
    elseif word == "append_headers" then
      at = at + 1
      command[#command + 1] = "-H " .. quoted(words[at])
    elseif word == "post" or word == "patch" then
      at = at + 1
      local body = words[at]:gsub("%%(%x%x)", function(code)
        return string.char(tonumber(code, 16))
      end)
      command[#command + 1] = "-X " .. word:upper() .. " --data-binary " .. quoted(body)
    else
      error("mod_curl does not know " .. word)
    end
    at = at + 1
  end
  assert(is_json)
  local pipe = io.popen(table.concat(command, " "))
  local body, status = pipe:read("a"):match("^(.*)\n(%d+)$")
  pipe:close()
  body = body:gsub('[\\"]', "\\%0"):gsub("\n", "\\n")
  return string.format('{"exit_code":"0","status_code":"%d","body":"%s","headers":[]}', status, body)
end

local run

local commands = {
  curl = curl,
  uuid_getvar = function(text)
    local of, name = text:match("^(%S+) (%S+)$")
    if not alive or of ~= uuid then
      return "-ERR No such channel!\n"
    end
    return channel[name] or "_undef_"
  end,
  uuid_setvar = function(text)
    local of, name, value = text:match("^(%S+) (%S+) (%S+)$")
    if not alive or of ~= uuid then
      return "-ERR No such channel!\n"
    end
    channel[name] = value
    return "+OK\n"
  end,
}

local function hang_up(cause)
  if alive then
    alive = false
    facts.seconds, facts.cause = now - 1800000000, cause
    channel.billsec = tostring(channel.answered and facts.seconds or 0)
    if channel.api_hangup_hook then
      run(channel.api_hangup_hook)
    end
  end
end

function commands.sched_api(text)
  local seconds, command = text:match("^%+(%d+) none (.+)$")
  schedule(tonumber(seconds), function()
    run(command)
  end)
  return "+OK\n"
end

function commands.sched_hangup(text)
  local seconds, of, cause = text:match("^%+(%d+) (%S+) (%S+)$")
  assert(of == uuid)
  schedule(tonumber(seconds), function()
    hang_up(cause)
  end)
  return "+OK\n"
end

function commands.uuid_kill(text)
  local of, cause = text:match("^(%S+) (%S+)$")
  assert(of == uuid)
  hang_up(cause)
  return "+OK\n"
end

freeswitch = {
  API = function()
    return {
      execute = function(_, command, text)
        return commands[command](text)
      end,
    }
  end,
  consoleLog = function(_, text)
    io.stderr:write(text)
  end,
  getGlobalVariable = function(name)
    assert(name == "script_dir")
    return folder
  end,
}

local session = {
  getVariable = function(_, name)
    return channel[name]
  end,
  setVariable = function(_, name, value)
    assert(type(value) == "string", name)
    channel[name] = value
  end,
  execute = function(_, application, text)
    assert(application == "respond")
    facts.respond = text
  end,
  hangup = function(_, cause)
    hang_up(cause)
  end,
}

-- Runs `lua FILE WORD...` with the globals that mod_lua gives: a session in the dial plan, the
-- channel's variables in a hook.
function run(command, in_dialplan)
  local words = separated(command, 10)
  assert(words[1] == "lua" or words[1] == "luarun")
  local globals = setmetatable({ argv = { table.unpack(words, 3) } }, { __index = _G })
  if in_dialplan then
    globals.session = session
  else
    globals.env = {
      getHeader = function(_, name)
        return channel[name]
      end,
    }
  end
  assert(loadfile(folder .. "/" .. words[2], "t", globals))()
end

if task ~= "call" then
  run("luarun ballast.lua " .. task)
  return
end
run("lua ballast.lua authorise", true)
if alive then
  if tonumber(talk) >= 0 then
    channel.answered = true
    run(channel.api_on_answer)
    schedule(tonumber(talk), function()
      hang_up("NORMAL_CLEARING")
    end)
  else
    hang_up("NO_ANSWER")
  end
end
for at = 7, #arg do
  schedule(tonumber(arg[at]), function()
    print("pause " .. arg[at])
    io.flush()
    io.read()
  end)
end
while alive and #tasks > 0 do
  table.sort(tasks, function(a, b)
    return a.at < b.at or a.at == b.at and a.number < b.number
  end)
  local first = table.remove(tasks, 1)
  now = first.at
  first.run()
end
for name, value in pairs(facts) do
  print(name .. " " .. value)
end
