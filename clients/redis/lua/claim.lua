-- Take what is due in one shard, the most urgent first: each canary goes to one caller, and is due
-- again when its tick's lease would end. Nothing while what is stored of the shard is not confirmed.
--
-- KEYS    1 agenda  2 epoch  3 queue
-- ARGV    1 now, or ""  2 most canaries that may be queued  3 queued ttl ms
--         4, 5 what stands before and after namespace/name in a tick lease's key
--         6 most entries to look at: of each rank, so many that are due for longest, and so many
--         that have become due last  7 index of the shard  8 number of shards
-- Return  {confirmed: 1 or 0, canaries on the agenda, of all shards, those of them that are not at
--         rest, namespace/name, rank, ...}
-- Atomic  two beats see the same due entries; only the one that marks an entry queued may enqueue.
--
-- The tick leases are not in KEYS, as their names are only known from the agenda; that is fine
-- without Redis Cluster, which is refused at start-up.

local now, most, queued = clock(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local look, index, count = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local words = present_epoch(KEYS[2]) or {}
local is_confirmed = #words == count and words[index + 1] == 'confirmed'
local busy = redis.call('ZCOUNT', KEYS[1], '-inf', '(' .. digits(RESYNC * SPAN))
local reply = {is_confirmed and 1 or 0, redis.call('ZCARD', KEYS[1]), busy}
if reply[1] == 0 then most = 0 end

local PAGES = 20 -- of entries to look at, where those of other shards may stand before ours

-- How many more may be queued: less urgent ones take no place from those of `rank`.
local function room(rank)
  for each = 0, rank do -- their messages count as lost
    redis.call('ZREMRANGEBYSCORE', KEYS[3], digits(each * SPAN), digits(each * SPAN + now))
  end
  return most - redis.call('ZCOUNT', KEYS[3], '-inf', '(' .. digits((rank + 1) * SPAN))
end

-- The canaries of `rank` that are due. Behind a crowd that is long due, those that have just become
-- due are seen too.
local function due(rank)
  local first, last = digits(rank * SPAN), digits(rank * SPAN + now)
  local members, known = {}, {}
  local function add(member)
    if known[member] or (count > 1 and shard(member, count) ~= index) then return end
    known[member] = true
    members[#members + 1] = member
  end
  for page = 0, PAGES - 1 do
    local from = digits(page * look)
    local some = redis.call('ZRANGEBYSCORE', KEYS[1], first, last, 'LIMIT', from, ARGV[6])
    if #some < look and count == 1 then return some end
    for _, member in ipairs(some) do add(member) end
    if #some < look then return members end
    if #members >= look then break end
  end
  local latest = redis.call('ZREVRANGEBYSCORE', KEYS[1], last, first, 'LIMIT', '0', ARGV[6])
  for at = #latest, 1, -1 do add(latest[at]) end
  return members
end

-- One of each namespace, then the second of each, and so on; `most` of them.
local function in_turn(members, most)
  local counts, rounds, mixed = {}, {}, {}
  for _, member in ipairs(members) do
    local namespace = string.match(member, '^[^/]*')
    local nth = (counts[namespace] or 0) + 1
    counts[namespace] = nth
    rounds[nth] = rounds[nth] or {}
    table.insert(rounds[nth], member)
  end
  for _, round in ipairs(rounds) do
    for _, member in ipairs(round) do
      if #mixed == most then return mixed end
      mixed[#mixed + 1] = member
    end
  end
  return mixed
end

local function give_out(members, rank)
  local ticks, agenda, queue = {}, {}, {}
  for index, member in ipairs(members) do ticks[index] = ARGV[4] .. member .. ARGV[5] end
  local leases = redis.call('MGET', unpack(ticks))
  local lost = digits(rank * SPAN + now + queued)
  for index, member in ipairs(members) do
    local held, at = in_force(leases[index], now), lost
    if held then
      want(ticks[index], held, now)
      at = digits(rank * SPAN + held.expires) -- should its holder be dead
    else
      take(ticks[index], 'queued', now, queued, '-')
      queue[#queue + 1], queue[#queue + 2] = lost, member
      reply[#reply + 1], reply[#reply + 2] = member, rank
    end
    agenda[#agenda + 1], agenda[#agenda + 2] = at, member
  end
  redis.call('ZADD', KEYS[1], unpack(agenda))
  if #queue == 0 then return end
  redis.call('ZADD', KEYS[3], unpack(queue))
  redis.call('PEXPIRE', KEYS[3], ARGV[3])
end

for rank = 0, most > 0 and RESYNC or -1 do
  local first, last = digits(rank * SPAN), digits(rank * SPAN + now)
  local is_due = redis.call('ZCOUNT', KEYS[1], first, last) > 0 -- most looks find nothing
  local places = is_due and room(rank) or 0
  local members = places > 0 and in_turn(due(rank), places) or {}
  if #members > 0 then give_out(members, rank) end
end
return reply
