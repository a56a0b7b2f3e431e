-- Take, or go on holding, the right to call one webhook of a round.
--
-- KEYS    1 calls  2 state  3 epoch
-- ARGV    1 now, or ""  2 round  3 call  4 nonce of the caller  5 ttl ms  6 ms to keep the calls
--         7 namespace/name
-- Return  1; or 0 and no change: it has answered, another holds it, the round is over, or nobody
--         holds it and what is stored is not confirmed
-- Atomic  of several workers with the same message only one may call the endpoint.

local now, round = clock(ARGV[1]), tonumber(ARGV[2])
local version = tonumber(redis.call('HGET', KEYS[2], 'version') or '0')
local kept = tonumber(redis.call('HGET', KEYS[1], 'round') or '0')
if version < round or kept > round then return 0 end

local call = kept == round and redis.call('HGET', KEYS[1], ARGV[3])
local holder, expires = string.match(call or '', '^(%S+) (%d+)$')
if call and not holder then return 0 end
if holder and holder ~= ARGV[4] and lasts(tonumber(expires), now, LONGEST) then return 0 end
if holder ~= ARGV[4] and not confirmed_epoch(KEYS[3], ARGV[7]) then return 0 end

if kept < round then redis.call('DEL', KEYS[1]) end
local held = ARGV[4] .. ' ' .. digits(now + tonumber(ARGV[5]))
redis.call('HSET', KEYS[1], 'round', ARGV[2], ARGV[3], held)
redis.call('PEXPIRE', KEYS[1], ARGV[6])
return 1
