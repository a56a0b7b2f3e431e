-- Confirm what is stored, once all of it was stored since open_epoch.lua gave this number.
--
-- KEYS    1 epoch  2 leader lease
-- ARGV    1 now, or ""  2 term  3 number
-- Return  1; 0 and no change when Redis was emptied, restarted or failed over since: store again;
--         or nil when the term is over
-- Atomic  comparing and writing: what happens in between must not be confirmed.

if superseded(KEYS[2], ARGV[2], clock(ARGV[1])) then return nil end
local text, epoch = redis.call('GET', KEYS[1]) or '', ARGV[3] .. ' ' .. history()
if text ~= 'pending ' .. epoch and text ~= 'confirmed ' .. epoch then return 0 end

redis.call('SET', KEYS[1], 'confirmed ' .. epoch)
return 1
