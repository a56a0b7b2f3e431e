-- Record what an effect has brought about.
--
-- KEYS    1 confirmed  2 state  3 tick lease  4 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 uid  4 "1" to wake the canary, or ""
--         5 version of the layout  6 the field that only grows, or ""  7... field, value
-- Return  1; or 0 and no change for an older sequence number, another Canary object than the
--         state is about, or a stored document of a newer layout
-- Atomic  two confirmations compare with what is stored and write: the older must not win by
--         writing last. The wake belongs to it, or a crash between them leaves a rollout waiting.

local now, member, uid = clock(ARGV[1]), ARGV[2], ARGV[3]
local subject = redis.call('HGET', KEYS[2], 'uid')
if subject and subject ~= '' and subject ~= uid then return 0 end

local stored = redis.call('HMGET', KEYS[1], 'uid', 'v', ARGV[6])
local layout, sequence = tonumber(stored[2] or '0'), tonumber(stored[3] or '')
if layout > tonumber(ARGV[5]) then return 0 end

local afresh = stored[1] ~= uid or layout < tonumber(ARGV[5])
for index = 7, #ARGV, 2 do
  local older = ARGV[index] == ARGV[6] and sequence and sequence > tonumber(ARGV[index + 1])
  if older and not afresh then return 0 end
end

if afresh then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'uid', uid, 'v', ARGV[5])
for index = 7, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
end
if ARGV[4] == '1' then nudge(KEYS[4], member, KEYS[3], now, now) end
return 1
