-- Give up a leader lease.
--
-- KEYS    1 leader lease
-- ARGV    1 now, or ""  2 holder
-- Return  1; or 0 and no change when it is not the holder's
-- Atomic  comparing and deleting: a lease that expires in between is another's.

local held = lease(KEYS[1], clock(ARGV[1]))
if not held or held.rest ~= ARGV[2] then return 0 end
return redis.call('DEL', KEYS[1])
