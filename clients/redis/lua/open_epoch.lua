-- Begin to confirm what is stored; what is confirmed already stays so meanwhile.
--
-- KEYS    1 epoch  2 leader leases  3 fence
-- ARGV    1 now, or ""  2 term  3 index of the shard  4 number of shards
-- Return  {number of the epoch, this shard confirmed already: 1 or 0}; or nil when the term is over
-- Atomic  a failover between looking at the history and writing it down would go unseen.

if superseded(KEYS[2], ARGV[2], clock(ARGV[1])) then return nil end
local index, count = tonumber(ARGV[3]), tonumber(ARGV[4])
local words, number = present_epoch(KEYS[1])
number = number or next_token(KEYS[3])
words = words or {}

if #words ~= count then
  -- Shared out anew. What was confirmed of all stays so.
  local word = #words > 0 and 'confirmed' or 'pending'
  for _, each in ipairs(words) do
    if each ~= 'confirmed' then word = 'pending' end
  end
  words = {}
  for each = 1, count do words[each] = word end
  keep_epoch(KEYS[1], words, number)
end
return {number, words[index + 1] == 'confirmed' and 1 or 0}
