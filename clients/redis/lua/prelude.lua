-- Stands before every script; no script of its own.
--
-- Times are milliseconds since 1970. A script's `now` is its first argument, or the server's TIME
-- when that is empty. Expiry is written into the value of a lease, beside the PX that removes it,
-- so that simulated time expires leases too.
--
-- Work lease:    "<token> <expires> <wanted>"; token = "<fencing token>-<epoch>-<nonce>", or
--                "queued" while a message waits; wanted = when another run is asked for, "-" for
--                never.
-- Leader lease:  "<token> <expires> <holder>".
-- Epoch:         "<pending|confirmed> <number> <history>".

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

-- The lease in force under a key, or nil: absent, expired, unreadable.
local function lease(key, now)
  local token, expires, rest = string.match(redis.call('GET', key) or '', '^(%S+) (%d+) (.+)$')
  if not token or tonumber(expires) <= now then return nil end
  return {token = token, expires = tonumber(expires), rest = rest, wanted = tonumber(rest)}
end

local function take(key, token, now, ttl, rest)
  redis.call('SET', key, token .. ' ' .. digits(now + ttl) .. ' ' .. rest, 'PX', digits(ttl))
end

-- The server's history of writes: another one after each restart and each failover, and no matter
-- what the server has loaded or was sent. A few microseconds.
local function history()
  return string.match(redis.call('INFO', 'replication'), 'master_replid:(%w+)') or 'untold'
end

-- The number of the epoch in which all that is stored was confirmed by the leader, or nil: Redis was
-- emptied, restarted or failed over since, and may hold less than it did.
local function confirmed_epoch(key)
  local text = redis.call('GET', key) or ''
  local number, past = string.match(text, '^confirmed (%d+) (%w+)$')
  if number and past == history() then return number end
end

-- Whether a work lease's token was given out in this epoch; false without one.
local function of_epoch(token, epoch)
  return epoch ~= nil and string.match(token, '^%d+%-(%d+)%-') == epoch
end

-- Whether the term of a leader is over; never for the empty term of those who do not lead.
local function superseded(leader, term, now)
  if term == '' then return false end
  local held = lease(leader, now)
  return not held or held.token ~= term
end

-- Ask the holder for another run, not later than `at`. A queued run is yet to begin and will see
-- everything, so it needs no such mark.
local function want(key, held, at)
  if held.token == 'queued' or (held.wanted and held.wanted <= at) then return end
  local value = held.token .. ' ' .. digits(held.expires) .. ' ' .. digits(at)
  redis.call('SET', key, value, 'KEEPTTL')
end

-- Bring a canary's due time forward; never back.
local function hasten(agenda, member, at)
  redis.call('ZADD', agenda, 'LT', digits(at), member)
end

-- Something happened: a run at `at`, whether or not one is under way.
local function nudge(agenda, member, tick, at, now)
  local held = lease(tick, now)
  hasten(agenda, member, at)
  if held then want(tick, held, at) end
end

-- The holder of the tick lease says when to look again. What was asked for since it began
-- (`wanted`) has been kept in its lease, so this may also move the due time back.
local function settle(agenda, member, due, wanted)
  local at = due
  if wanted and (not at or wanted < at) then at = wanted end
  if at then redis.call('ZADD', agenda, digits(at), member) end
end

local function snapshot(now, state, confirmed, world)
  local stored = redis.call('HMGET', state, 'version', 'json')
  return {digits(now), stored[1] or '0', stored[2] or '',
          redis.call('HGETALL', confirmed), redis.call('HGETALL', world)}
end
