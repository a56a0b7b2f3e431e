-- Take or renew the leader lease of one shard.
--
-- KEYS    1 leader leases  2 fence
-- ARGV    1 now, or ""  2 holder  3 ttl ms  4 index of the shard  5 number of shards
-- Return  {the number of shards of those who lead, the fencing token, the same for each renewal};
--         with an empty token, and the holder, while another holds the lease; without while leaders
--         of another number of shards hold any: what is whose is the same for all
-- Atomic  renewing is comparing and writing; a lease that expires in between is another's.

local now, index, count = clock(ARGV[1]), tonumber(ARGV[4]), tonumber(ARGV[5])
local kept, token = {}, nil
-- All beats have leases of one length, but for a moment when that is changed.
for _, held in ipairs(leaders(KEYS[1], now, math.max(2 * ARGV[3], LONGEST))) do
  if held.count ~= count then return {held.count} end
  if held.index ~= index then
    kept[#kept + 1] = held
  elseif held.holder ~= ARGV[2] then
    return {count, '', held.holder}
  else
    token = held.token
  end
end

token = token or next_token(KEYS[2])
local rest = index .. '/' .. count .. ' ' .. ARGV[2]
kept[#kept + 1] = {token = token, expires = now + tonumber(ARGV[3]), rest = rest}
keep_leaders(KEYS[1], kept, now)
return {count, token}
