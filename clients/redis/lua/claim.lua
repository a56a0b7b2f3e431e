-- Take what is due: each canary goes to one caller, and is due again after the retry period.
-- Nothing while what is stored is not confirmed.
--
-- KEYS    1 agenda  2 epoch
-- ARGV    1 now, or ""  2 most entries to look at  3 queued ttl ms  4 retry ms
--         5, 6 what stands before and after namespace/name in a tick lease's key
-- Return  {confirmed: 1 or 0, earliest due left or "", namespace/name, ...}
-- Atomic  two beats see the same due entries; only the one that marks an entry queued may enqueue.
--
-- The tick leases are not in KEYS, as their names are only known from the agenda; that is fine
-- without Redis Cluster, which is refused at start-up.

local now, queued, retry = clock(ARGV[1]), tonumber(ARGV[3]), tonumber(ARGV[4])
local reply = {confirmed_epoch(KEYS[2]) and 1 or 0, ''}
local due = {}
if reply[1] == 1 then
  due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', digits(now), 'LIMIT', '0', ARGV[2])
end

for _, member in ipairs(due) do
  local key = ARGV[5] .. member .. ARGV[6]
  local held, again = lease(key, now), now + retry
  if held then
    want(key, held, now)
    again = math.min(again, held.expires) -- if its holder is dead, not a moment later than needed
  else
    take(key, 'queued', now, queued, '-')
    reply[#reply + 1] = member
  end
  redis.call('ZADD', KEYS[1], digits(again), member)
end

local first = redis.call('ZRANGE', KEYS[1], '0', '0', 'WITHSCORES')
if first[2] then reply[2] = digits(tonumber(first[2])) end
return reply
