-- Have nobody post to an address that failed, for longer after each failure in a row.
--
-- KEYS    1 pace
-- ARGV    1 now, or ""  2 ms that the address asked for, or ""  3 ms after the first failure, twice
--         that after the second, and so on  4 ms at most  5 ms after which it is forgotten
-- Return  ms for which nobody posts
-- Atomic  of several posts that were under way at a time, whoever made them, the first one counts.

local now, asked, longest = clock(ARGV[1]), tonumber(ARGV[2]) or 0, tonumber(ARGV[4])
local said = redis.call('HMGET', KEYS[1], 'closed', 'failures')
local closed, failures = tonumber(said[1] or '') or 0, tonumber(said[2] or '') or 0
if closed > now + longest then closed = 0 end -- by a clock that was ahead
if now >= closed or failures == 0 then failures = failures + 1 end
local pause = tonumber(ARGV[3]) * 2 ^ (failures - 1)
closed = math.max(closed, now + math.min(math.max(pause, asked), longest))
redis.call('HSET', KEYS[1], 'closed', digits(closed), 'failures', digits(failures))
redis.call('PEXPIRE', KEYS[1], ARGV[5])
return digits(closed - now)
