-- Keep how far a channel has come with the notices of a canary; never less far than it is.
--
-- KEYS    1 notices  2 state  3 epoch
-- ARGV    1 now, or ""  2 namespace/name  3 token of the run that told, over by now or not
--         4 uid of the Canary object that the notices are about, or ""  5 field of the channel
--         6 id of the last notice that it has
-- Return  1; or 0 and no change: it is further already, or Redis failed over or lost something
--         since, or the state is about another object: others may have these ids by now
-- Atomic  a run that stalled would make the channel hear again all that another has told since.

local function order(id)
  local version, index = string.match(id or '', '^(%d+)%-(%d+)$')
  return tonumber(version) or 0, tonumber(index) or 0
end

local ours = of_epoch(ARGV[3], confirmed_epoch(KEYS[3], ARGV[2]))
if not ours or (redis.call('HGET', KEYS[2], 'uid') or '') ~= ARGV[4] then return 0 end
local version, index = order(ARGV[6])
local known, last = order(redis.call('HGET', KEYS[1], ARGV[5]) or '')
if version < known or (version == known and index < last) then return 0 end
redis.call('HSET', KEYS[1], ARGV[5], ARGV[6])
return 1
