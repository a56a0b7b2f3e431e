-- Keep the answer of one webhook, and wake the canary that waits for it.
--
-- KEYS    1 calls  2 tick lease  3 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 round  4 call  5 nonce of the caller  6 answer, JSON
-- Return  1; or 0 and no change: the call is another's by now, has answered, or its round is over
-- Atomic  an answer to an older round must not be written over one to a newer round. The wake
--         belongs to it: whoever dies next, the answer is there and is looked at.

local now = clock(ARGV[1])
local call = redis.call('HMGET', KEYS[1], 'round', ARGV[4])
local holder = string.match(call[2] or '', '^(%S+) %d+$')
if call[1] ~= ARGV[3] or holder ~= ARGV[5] then return 0 end

redis.call('HSET', KEYS[1], ARGV[4], ARGV[6])
nudge(KEYS[3], ARGV[2], KEYS[2], now, now)
return 1
