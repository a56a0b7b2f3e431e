-- Store projections of observed objects, and wake the canary when one that matters changed.
--
-- KEYS    1 world  2 tick lease  3 agenda  4 leader leases  5 confirmed  6 workload lease
-- ARGV    1 now, or ""  2 namespace/name  3 version of the layout
--         4 term of the leader that stores, or ""
--         5... role, canonical JSON ("" deletes), ms after which its change wakes the canary, or "",
--         "1" if that is at once as long as nobody has the workload lease, or ""
-- Return  {role, ...} those that changed; or nil and no change when the term is over
-- Atomic  a watcher that dies between storing and waking would leave a change that the next
--         watcher, comparing, takes for old news.

local now, member = clock(ARGV[1]), ARGV[2]
local changed, wake = {}, nil
if superseded(KEYS[4], ARGV[4], now) then return nil end

-- Whether a workload was known as it had been before our own last write: then whoever waits for it
-- was waiting for just this.
local function was_stale(role, json)
  local known = string.match(json, '"generation":(%d+)')
  local ours = known and redis.call('HGET', KEYS[5], role .. '_generation')
  return ours and tonumber(known) < tonumber(ours)
end

-- What another layout holds cannot be compared with, nor read beside ours.
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[3] then redis.call('DEL', KEYS[1]) end
for index = 5, #ARGV, 4 do
  local role, json = ARGV[index], ARGV[index + 1]
  local before, after = redis.call('HGET', KEYS[1], role) or '', tonumber(ARGV[index + 2])
  if before ~= json then
    if json == '' then
      redis.call('HDEL', KEYS[1], role)
    else
      redis.call('HSET', KEYS[1], 'v', ARGV[3], role, json)
    end
    changed[#changed + 1] = role
    local is_others = ARGV[index + 3] == '1' and not lease(KEYS[6], now)
    if is_others or was_stale(role, before) then after = 0 end
    if after then wake = math.min(wake or after, after) end
  end
end
if wake then nudge(KEYS[3], member, KEYS[2], now + wake, now) end
return changed
