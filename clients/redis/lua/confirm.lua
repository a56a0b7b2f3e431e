-- Record what a run has brought about, and keep the objects that it wrote or read.
--
-- KEYS    1 confirmed  2 state  3 world  4 the run's lease  5 tick lease  6 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 uid  4 what the state's JSON must say still, or ""
--         5 token of the run's lease, or "" for no lease  6 "1" to wake the canary, or ""
--         7, 8 layouts of confirmed and world  9 number of fields
--         10... that many field, value; then role, canonical JSON, JSON it was computed from
--         A workload of which a watcher has said something else since wakes the canary as well.
-- Return  1; or 0 and no change when what was done is not wanted any more: the state is about
--         another Canary object or says something else, the lease was lost, or a newer layout is
--         stored
-- Atomic  a run that stalled must not be believed by coming last: a newer intent may rest on what
--         was there before. The wake belongs to it, or a crash between them leaves a rollout
--         waiting.

local now, member, uid = clock(ARGV[1]), ARGV[2], ARGV[3]
local state = redis.call('HMGET', KEYS[2], 'uid', 'json')
if not state[1] or state[1] ~= uid then return 0 end
if not string.find(state[2], ARGV[4], 1, true) then return 0 end
if ARGV[5] ~= '' then
  local held = lease(KEYS[4], now)
  if not held or held.token ~= ARGV[5] then return 0 end
end

local stored = redis.call('HMGET', KEYS[1], 'uid', 'v')
local layout = tonumber(stored[2] or '0')
if layout > tonumber(ARGV[7]) then return 0 end
if stored[1] ~= uid or layout < tonumber(ARGV[7]) then redis.call('DEL', KEYS[1]) end

redis.call('HSET', KEYS[1], 'uid', uid, 'v', ARGV[7])
local objects = 10 + 2 * tonumber(ARGV[9])
for index = 10, objects - 1, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
end

-- A watcher that has said something else meanwhile may know better, and does not repeat itself: it
-- has woken a canary that was yet to be confirmed.
local wake = ARGV[6] == '1'
if redis.call('HGET', KEYS[3], 'v') == ARGV[8] then
  for index = objects, #ARGV, 3 do
    local known = redis.call('HGET', KEYS[3], ARGV[index]) or ''
    if known == ARGV[index + 2] then
      redis.call('HSET', KEYS[3], ARGV[index], ARGV[index + 1])
    elseif known ~= ARGV[index + 1] and (ARGV[index] == 'target' or ARGV[index] == 'primary') then
      wake = true
    end
  end
end
if wake then nudge(KEYS[6], member, KEYS[5], now, now) end
return 1
