-- Keep the answer of one webhook. After the last one that is awaited the canary counts as queued:
-- the caller sends the message.
--
-- KEYS    1 calls  2 tick lease  3 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 round  4 call  5 nonce of the caller  6 answer, JSON
--         7 ms that the message may wait: if nobody has begun by then, the canary is due
--         8... the other calls of the round, without whose answers nobody is woken
-- Return  2 when all of these have answered; 1 when some are awaited; or 0 and no change: the call
--         is another's by now, has answered, or its round is over
-- Atomic  an answer to an older round must not be written over one to a newer round. Of answers
--         that come together one must find that it is the last. The wake belongs to it: whoever
--         dies next, the answer is there and is looked at.

local now = clock(ARGV[1])
local call = redis.call('HMGET', KEYS[1], 'round', ARGV[4])
local holder = string.match(call[2] or '', '^(%S+) %d+$')
if call[1] ~= ARGV[3] or holder ~= ARGV[5] then return 0 end

redis.call('HSET', KEYS[1], ARGV[4], ARGV[6])
for index = 8, #ARGV do
  local other = redis.call('HGET', KEYS[1], ARGV[index])
  if string.sub(other or '', 1, 1) ~= '{' then return 1 end
end
local at = now
if not lease(KEYS[2], now) then -- else it is asked to run again
  at = now + tonumber(ARGV[7])
  take(KEYS[2], 'queued', now, tonumber(ARGV[7]), '-')
end
nudge(KEYS[3], ARGV[2], KEYS[2], at, now)
return 2
