-- Store projections of observed objects, and wake the canary when one that matters changed.
--
-- KEYS    1 world  2 tick lease  3 agenda  4 leader leases
-- ARGV    1 now, or ""  2 namespace/name  3 version of the layout
--         4 term of the leader that stores, or ""
--         5... role, canonical JSON ("" deletes), "1" if its change wakes the canary (or "")
-- Return  {role, ...} those that changed; or nil and no change when the term is over
-- Atomic  a watcher that dies between storing and waking would leave a change that the next
--         watcher, comparing, takes for old news.

local now, member = clock(ARGV[1]), ARGV[2]
local changed, wake = {}, false
if superseded(KEYS[4], ARGV[4], now) then return nil end

-- What another layout holds cannot be compared with, nor read beside ours.
if redis.call('HGET', KEYS[1], 'v') ~= ARGV[3] then redis.call('DEL', KEYS[1]) end
for index = 5, #ARGV, 3 do
  local role, json = ARGV[index], ARGV[index + 1]
  if (redis.call('HGET', KEYS[1], role) or '') ~= json then
    if json == '' then
      redis.call('HDEL', KEYS[1], role)
    else
      redis.call('HSET', KEYS[1], 'v', ARGV[3], role, json)
    end
    changed[#changed + 1] = role
    wake = wake or ARGV[index + 2] == '1'
  end
end
if wake then nudge(KEYS[3], member, KEYS[2], now, now) end
return changed
