-- Keep how a gate of the load tester stands; of too many, forget those closed for longest: a
-- hundredth, since to find them costs a look at all.
--
-- KEYS    1 gates
-- ARGV    1 now, or ""  2 field of the gate  3 its JSON, with `open` and `at`  4 how many are kept
-- Return  1; or 0 and no change when there are too many and all are open
-- Atomic  a gate that is opened meanwhile would be forgotten.

if redis.call('HEXISTS', KEYS[1], ARGV[2]) == 0 and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[4]) then
  local closed = {}
  local all = redis.call('HGETALL', KEYS[1])
  for index = 1, #all, 2 do
    local gate = cjson.decode(all[index + 1])
    if not gate.open then closed[#closed + 1] = { gate.at, all[index] } end
  end
  if #closed == 0 then return 0 end
  table.sort(closed, function(one, other) return one[1] < other[1] end)
  for index = 1, math.min(#closed, math.ceil(tonumber(ARGV[4]) / 100)) do
    redis.call('HDEL', KEYS[1], closed[index][2])
  end
end
redis.call('HSET', KEYS[1], ARGV[2], ARGV[3])
return 1
