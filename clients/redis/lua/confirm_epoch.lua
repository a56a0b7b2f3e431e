-- Confirm what is stored of one shard, once all of it was stored since open_epoch.lua gave the
-- number.
--
-- KEYS    1 epoch  2 leader leases
-- ARGV    1 now, or ""  2 term  3 number  4 index of the shard  5 number of shards
-- Return  1; 0 and no change when Redis was emptied, restarted or failed over since: store again;
--         or nil when the term is over
-- Atomic  comparing and writing: what happens in between must not be confirmed.

if superseded(KEYS[2], ARGV[2], clock(ARGV[1])) then return nil end
local words, number = present_epoch(KEYS[1])
if number ~= ARGV[3] or #words ~= tonumber(ARGV[5]) then return 0 end

words[tonumber(ARGV[4]) + 1] = 'confirmed'
keep_epoch(KEYS[1], words, number)
return 1
