-- Take or renew a leader lease.
--
-- KEYS    1 leader lease  2 fence
-- ARGV    1 now, or ""  2 holder  3 ttl ms
-- Return  the fencing token, the same for each renewal; or nil while another holds the lease
-- Atomic  renewing is comparing and writing; a lease that expires in between is another's.

local now, ttl = clock(ARGV[1]), tonumber(ARGV[3])
local held = lease(KEYS[1], now)
if held and held.rest ~= ARGV[2] then return nil end

local token = held and held.token or next_token(KEYS[2])
take(KEYS[1], token, now, ttl, ARGV[2])
return token
