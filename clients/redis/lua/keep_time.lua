-- Note how far the server's clock has come, and by how much it has leapt since. When it has, all
-- canaries that are not at rest are looked at, the others as they would have been.
--
-- KEYS    1 leaps  2 agenda  3 queue
-- ARGV    1 now, or ""  2 ms by which it has leapt, by the clock of a caller who was told that this
--         is to be found out, or ""
-- Return  {now, 1 when that is to be found out, or 0}
-- Atomic  of several who notice a leap only one may count it, and nobody may see the agenda before.

local LEAP = 10000 -- ms: the shortest interval
local NOTED = 1000 -- ms between two notes

local now, leap = clock(ARGV[1]), tonumber(ARGV[2])
local last, total, by, at = string.match(redis.call('GET', KEYS[1]) or '', LEAPS)
last, total, by, at = tonumber(last), tonumber(total) or 0, tonumber(by) or 0, tonumber(at) or 0

-- What somebody was woken for since the leap may have been taken for later than what was planned
-- before; so of the agenda nothing but looks at canaries at rest is put off.
local function carry_along(set, leap, first_at_rest)
  local entries = redis.call('ZRANGE', set, 0, -1, 'WITHSCORES')
  for first = 1, #entries, 1000 do
    local carried = {}
    for index = first, math.min(first + 999, #entries), 2 do
      local score = tonumber(entries[index + 1])
      local rank = math.floor(score / SPAN)
      local at = rank < first_at_rest and now or math.max(0, score - rank * SPAN + leap)
      carried[#carried + 1] = digits(rank * SPAN + at)
      carried[#carried + 1] = entries[index]
    end
    redis.call('ZADD', set, unpack(carried))
  end
end

-- Else others have looked meanwhile: only the caller has slept, or they have found it out.
local is_unknown = not last or math.abs(now - last) >= LEAP
if is_unknown and not leap then return {digits(now), 1} end
if is_unknown and math.abs(leap) >= LEAP then
  total, by, at = total + leap, leap, now
  carry_along(KEYS[2], leap, RESYNC)
  carry_along(KEYS[3], leap, 0)
end
if is_unknown or math.abs(now - last) >= NOTED then
  redis.call('SET', KEYS[1], table.concat({digits(now), digits(total), digits(by), digits(at)}, ' '))
end
return {digits(now), 0}
