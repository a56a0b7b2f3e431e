-- Stands before every script; no script of its own.
--
-- Times are milliseconds since 1970. A script's `now` is its first argument, or the server's TIME
-- when that is empty. Expiry is written into the value of a lease, beside the PX that removes it,
-- so that simulated time expires leases too.
--
-- Work lease:    "<token> <expires> <wanted>"; token = "<fencing token>-<epoch>-<nonce>", or
--                "queued" while a message waits; wanted = when another run is asked for, "-" for
--                never.
-- Leader leases: "<token> <expires> <index>/<count> <holder>", a line for each shard that is led; the
--                holder ends with " <namespaces>@<cluster>", see config/realms.py.
-- Epoch:         "<pending|confirmed> <number> <history>", with a word for each shard.
-- Leaps:         "<last now> <sum of all leaps> <the last one> <when it was noticed>", in ms.
-- Agenda, queue: a member's score is its rank times SPAN, plus a time. Ranks: config/ranks.py.

local SPAN = 1e15 -- ms: more than any date has, and six of them are exact in a double
local REVISION, INITIALIZATION, RESYNC = 3, 4, 5
local LEAPS = '^(%d+) (%-?%d+) (%-?%d+) (%d+)$'
local LONGEST = 120000 -- ms: of a work lease or a call; as config/settings/settings.py has it

local function clock(given)
  if given ~= '' then return tonumber(given) end
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

local function digits(number)
  return string.format('%.0f', number) -- Lua would write large numbers as 1.7e+12
end

-- A token greater than any before, also when Redis was emptied or lost its last writes: it is the
-- server's own time in microseconds, whatever time is simulated.
local function next_token(fence)
  local time = redis.call('TIME')
  local present = tonumber(time[1]) * 1000000 + tonumber(time[2])
  local last = tonumber(redis.call('GET', fence) or '0') or 0
  local token = digits(math.max(last + 1, present))
  redis.call('SET', fence, token)
  return token
end

-- Whether what was given for `longest` ms at most is in force. What ends later than that was given
-- by a clock that was ahead: its holder may be dead, and would have it for the length of the leap.
local function lasts(expires, now, longest)
  return expires > now and expires <= now + longest
end

-- The lease in force that a key's value says, or nil: absent, expired, unreadable.
local function in_force(value, now, longest)
  local token, expires, rest = string.match(value or '', '^(%S+) (%d+) (.+)$')
  expires = tonumber(expires)
  if not token or not lasts(expires, now, longest or LONGEST) then return nil end
  return {token = token, expires = expires, rest = rest, wanted = tonumber(rest)}
end

local function lease(key, now)
  return in_force(redis.call('GET', key), now)
end

local function take(key, token, now, ttl, rest)
  redis.call('SET', key, token .. ' ' .. digits(now + ttl) .. ' ' .. rest, 'PX', digits(ttl))
end

-- The server's history of writes: another one after each restart and each failover, and no matter
-- what the server has loaded or was sent. A few microseconds.
local function history()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or 'untold'
end

-- The index of the shard, of `count`, that a canary is in; as `number` in config/shards.py.
local shards = {}
local function shard(member, count)
  if count == 1 then return 0 end
  local namespace = string.match(member, '^[^/]*')
  if not shards[namespace] then
    local total = 0
    for index = 1, #namespace do
      total = (total * 65599 + string.byte(namespace, index)) % 2147483647
    end
    shards[namespace] = total
  end
  return shards[namespace] % count
end

-- What the leaders have said of the epoch, a word for each shard, and its number; or nil: Redis was
-- emptied, restarted or failed over since, and may hold less than it did.
local function present_epoch(key)
  local said, number, past = string.match(redis.call('GET', key) or '', '^([%l ]+) (%d+) (%w+)$')
  if not number or past ~= history() then return nil end
  local words = {}
  for word in string.gmatch(said, '%l+') do words[#words + 1] = word end
  return words, number
end

local function keep_epoch(key, words, number)
  redis.call('SET', key, table.concat(words, ' ') .. ' ' .. number .. ' ' .. history())
end

-- The number of the epoch in which all that is stored of a canary's shard was confirmed by its
-- leader, or nil.
local function confirmed_epoch(key, member)
  local words, number = present_epoch(key)
  if words and words[shard(member, #words) + 1] == 'confirmed' then return number end
end

-- Whether a work lease's token was given out in this epoch; false without one.
local function of_epoch(token, epoch)
  return epoch ~= nil and string.match(token, '^%d+%-(%d+)%-') == epoch
end

-- The leader leases in force; without those that end later than `longest` ms from now.
local function leaders(key, now, longest)
  local found = {}
  for line in string.gmatch(redis.call('GET', key) or '', '[^\n]+') do
    local held = in_force(line, now, longest or math.huge)
    local index, count, holder = string.match(held and held.rest or '', '^(%d+)/(%d+) (.+)$')
    if index then
      held.index, held.count, held.holder = tonumber(index), tonumber(count), holder
      found[#found + 1] = held
    end
  end
  return found
end

local function keep_leaders(key, leases, now)
  local lines, last = {}, now
  for index, held in ipairs(leases) do
    lines[index] = held.token .. ' ' .. digits(held.expires) .. ' ' .. held.rest
    last = math.max(last, held.expires)
  end
  if #lines == 0 then return redis.call('DEL', key) end
  redis.call('SET', key, table.concat(lines, '\n'), 'PX', digits(last - now))
end

-- Whether the term of a leader is over; never for the empty term of those who do not lead.
local function superseded(key, term, now)
  if term == '' then return false end
  for _, held in ipairs(leaders(key, now)) do
    if held.token == term then return false end
  end
  return true
end

-- Ask the holder for another run, not later than `at`. A queued run is yet to begin and will see
-- everything, so it needs no such mark.
local function want(key, held, at)
  if held.token == 'queued' or (held.wanted and held.wanted <= at) then return end
  local value = held.token .. ' ' .. digits(held.expires) .. ' ' .. digits(at)
  redis.call('SET', key, value, 'KEEPTTL')
end

-- The rank and the due time of a canary; nil when it is not on the agenda.
local function entry(agenda, member)
  local score = tonumber(redis.call('ZSCORE', agenda, member) or '')
  if not score then return nil end
  local rank = math.floor(score / SPAN)
  return rank, score - rank * SPAN
end

local function enter(set, member, rank, at)
  redis.call('ZADD', set, digits(rank * SPAN + at), member)
end

-- Bring a canary's due time forward; never back. One that is not on the agenda gets `rank`.
local function hasten(agenda, member, at, rank)
  local present, due = entry(agenda, member)
  if not present or at < due then
    enter(agenda, member, present or rank or INITIALIZATION, at)
  end
end

-- What happened to a canary at rest goes before looks at others for nothing.
local function rouse(rank)
  return rank == RESYNC and REVISION or rank
end

-- Something happened: a run at `at`, whether or not one is under way.
local function nudge(agenda, member, tick, at, now)
  local held = lease(tick, now)
  local rank, due = entry(agenda, member)
  enter(agenda, member, rouse(rank) or INITIALIZATION, math.min(at, due or at))
  if held then want(tick, held, at) end
end

-- The holder of the tick lease says when to look again, and how urgent that is; nil as before. What
-- was asked for since it began (`wanted`) has been kept in its lease, so this may also move the due
-- time back.
local function settle(agenda, member, due, rank, wanted)
  local at = due
  rank = rank or entry(agenda, member) or INITIALIZATION
  if wanted and (not at or wanted < at) then at, rank = wanted, rouse(rank) end
  if at then enter(agenda, member, rank, at) end
end

-- Whether what a lane wants is yet to be brought about, its last try failed, or a status was wiped
-- that showed it: as `effects.unfinished`. Nil without a state, from which nothing is wanted.
-- `field`: that of the confirmed document with the intent of the lane that is in force.
local function is_outstanding(state, confirmed, world, lane, field)
  local stored = redis.call('HMGET', state, 'uid', 'version', 'json')
  if not stored[3] then return nil end
  local said = redis.call('HMGET', confirmed, 'uid', field, 'trouble:' .. lane)
  if said[1] ~= stored[1] or not said[2] or (said[3] or '') ~= '' then return true end
  local wanted = stored[2]
  if lane == 'status' then
    local shown = redis.call('HGET', world, 'status') or ''
    if string.find(shown, '"fields":{}', 1, true) then return true end
  else
    local is_readable, seq = pcall(function() return cjson.decode(stored[3])[lane].seq end)
    wanted = is_readable and seq
  end
  wanted = tonumber(wanted)
  return not wanted or tonumber(said[2]) < wanted
end

local function snapshot(now, state, confirmed, world, leaps)
  local stored = redis.call('HMGET', state, 'version', 'json')
  return {digits(now), stored[1] or '0', stored[2] or '',
          redis.call('HGETALL', confirmed), redis.call('HGETALL', world),
          redis.call('GET', leaps) or ''}
end
