-- What is known of some objects, and the versions of our own newest writes to them.
--
-- KEYS    1 world  2 confirmed
-- ARGV    1 now, not used  2... role, field of the version of our newest write
-- Return  {JSON or nil, version or nil, ...}, two for each role
-- Atomic  a write of ours confirmed in between would look like somebody else's.

local reply = {}
for index = 2, #ARGV, 2 do
  reply[#reply + 1] = redis.call('HGET', KEYS[1], ARGV[index])
  reply[#reply + 1] = redis.call('HGET', KEYS[2], ARGV[index + 1])
end
return reply
