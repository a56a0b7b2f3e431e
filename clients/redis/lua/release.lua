-- Give up a leader lease.
--
-- KEYS    1 leader leases
-- ARGV    1 now, or ""  2 holder
-- Return  1; or 0 and no change when none is the holder's
-- Atomic  comparing and deleting: a lease that expires in between is another's.

local now, kept = clock(ARGV[1]), {}
local held = leaders(KEYS[1], now)
for _, each in ipairs(held) do
  if each.holder ~= ARGV[2] then kept[#kept + 1] = each end
end
if #kept == #held then return 0 end
keep_leaders(KEYS[1], kept, now)
return 1
