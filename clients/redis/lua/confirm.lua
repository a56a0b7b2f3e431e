-- Record what an effect has brought about.
--
-- KEYS    1 confirmed  2 state  3 tick lease  4 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 uid  4 "1" to wake the canary, or ""
--         5 number of sequence fields  6... that many field, value; then other field, value
-- Return  1; or 0 and no change for an older sequence number, or another Canary object than the
--         state is about
-- Atomic  two confirmations compare with what is stored and write: the older must not win by
--         writing last. The wake belongs to it, or a crash between them leaves a rollout waiting.

local now, member, uid = clock(ARGV[1]), ARGV[2], ARGV[3]
local subject = redis.call('HGET', KEYS[2], 'uid')
if subject and subject ~= '' and subject ~= uid then return 0 end

local afresh = redis.call('HGET', KEYS[1], 'uid') ~= uid
for index = 6, 5 + 2 * tonumber(ARGV[5]), 2 do
  local stored = not afresh and tonumber(redis.call('HGET', KEYS[1], ARGV[index]) or '')
  if stored and stored > tonumber(ARGV[index + 1]) then return 0 end
end

if afresh then redis.call('DEL', KEYS[1]) end
redis.call('HSET', KEYS[1], 'uid', uid)
for index = 6, #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[index], ARGV[index + 1])
end
if ARGV[4] == '1' then nudge(KEYS[4], member, KEYS[3], now, now) end
return 1
