-- Give a canary its turn at an address, or say how long it has to wait for it.
--
-- KEYS    1 pace  2 turns
-- ARGV    1 now, or ""  2 namespace/name  3 ms to the next turn after this one, or ""
--         4 ms after which an address, or a turn that nobody came for, is forgotten
-- Return  {ms to wait, how often in a row the address has failed}
-- Atomic  of several workers whose turn it might be only one may have it.

local now, member, pace, kept = clock(ARGV[1]), ARGV[2], tonumber(ARGV[3]) or 0, tonumber(ARGV[4])
local said = redis.call('HMGET', KEYS[1], 'ready', 'free', 'late', 'closed', 'failures')
-- A time that is further off than anything is kept is of a clock that was ahead.
local function near(time)
  time = tonumber(time or '')
  return time and time <= now + kept and time
end
for index = 1, 5 do said[index] = near(said[index]) or 0 end
-- When the next post may be, by the last one or the last failure; when the next turn is that nobody
-- has; and the same for those who came to their turn and had to wait all the same.
local ready, free, late = math.max(said[1], said[4], now), said[2], said[3]
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', digits(now - kept))
local turn = near(redis.call('ZSCORE', KEYS[2], member))

local wait = 0
if ready == now and now >= (turn or free) then
  redis.call('ZREM', KEYS[2], member)
  ready = now + pace
  redis.call('HSET', KEYS[1], 'ready', digits(ready), 'free', digits(math.max(free, ready)))
else
  if not turn then
    turn = math.max(ready, free)
    redis.call('HSET', KEYS[1], 'free', digits(turn + pace))
  elseif turn < ready then
    turn = math.max(ready, late)
    redis.call('HSET', KEYS[1], 'late', digits(turn + pace))
  end
  redis.call('ZADD', KEYS[2], digits(turn), member)
  redis.call('PEXPIRE', KEYS[2], digits(kept))
  wait = turn - now
end
redis.call('PEXPIRE', KEYS[1], digits(kept))
return {digits(wait), digits(said[5])}
