-- Begin to confirm what is stored; what is confirmed already stays so meanwhile.
--
-- KEYS    1 epoch  2 leader lease  3 fence
-- ARGV    1 now, or ""  2 term
-- Return  {number of the epoch, confirmed already: 1 or 0}; or nil when the term is over
-- Atomic  a failover between looking at the history and writing it down would go unseen.

if superseded(KEYS[2], ARGV[2], clock(ARGV[1])) then return nil end
local number = confirmed_epoch(KEYS[1])
if number then return {number, 1} end

number = next_token(KEYS[3])
redis.call('SET', KEYS[1], 'pending ' .. number .. ' ' .. history())
return {number, 0}
