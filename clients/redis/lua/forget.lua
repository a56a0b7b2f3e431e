-- Drop everything about one canary.
--
-- KEYS    1 agenda  2 leader leases  3... the keys of the canary
-- ARGV    1 now, or ""  2 namespace/name  3 term of the leader that forgets, or ""
-- Return  1; or nil and no change when the term is over
-- Atomic  a tick that begins halfway would see a canary without a world, or a state without one.

if superseded(KEYS[2], ARGV[3], clock(ARGV[1])) then return nil end
for index = 3, #KEYS do redis.call('DEL', KEYS[index]) end
redis.call('ZREM', KEYS[1], ARGV[2])
return 1
