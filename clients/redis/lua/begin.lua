-- Take a work lease and read the canary; or, while another run has it, ask that one to run again.
--
-- KEYS    1 work lease  2 state  3 confirmed  4 world  5 agenda  6 fence  7 tick lease  8 epoch
--         9 queue  10 notices  11 calls  12 leaps
-- ARGV    1 now, or ""  2 ttl ms  3 namespace/name  4 "tick", or another kind of work
--         5 nonce of this call, so that sending it again is no second call
--         6 of a tick "1" to refuse a canary that is neither queued nor due; of other work the
--         field of the confirmed document that says what is in force, to refuse a lane from which
--         nothing is wanted; or ""
-- Return  {token, {as read.lua}, canaries on the agenda, {field, value, ...} of the notices for
--         work "status" and "tell", of the calls for work "tick"; 1 when there are notices, for
--         work "tick", or 0}; or nil when refused: so, or because another run has it, or because
--         what is stored is not confirmed; in these two cases a canary on the agenda is due then
-- Atomic  the read must come after the lease is ours: whoever is refused in between relies on us
--         seeing what they saw. The refusal must leave its mark before the holder releases.

local function has_notices(key)
  for _, field in ipairs(redis.call('HKEYS', key)) do
    if not string.find(field, '^delivered:') then return true end
  end
  return false
end

-- First of all: of a long queue most messages ask again for what an earlier one has brought about.
if ARGV[6] ~= '' and ARGV[4] ~= 'tick' then
  local is_due = is_outstanding(KEYS[2], KEYS[3], KEYS[4], ARGV[4], ARGV[6])
  if not is_due and not (ARGV[4] == 'status' and has_notices(KEYS[10])) then return nil end
end

local now, ttl, member = clock(ARGV[1]), tonumber(ARGV[2]), ARGV[3]
local held = lease(KEYS[1], now)

local epoch = confirmed_epoch(KEYS[8], member)
if not epoch then
  if held and held.token == 'queued' then redis.call('DEL', KEYS[1]) end
  -- Not one that is missing there: the leader puts it back in its turn.
  if entry(KEYS[5], member) then hasten(KEYS[5], member, now) end
  return nil
end

local again = held and string.sub(held.token, -string.len(ARGV[5])) == ARGV[5]

if held and held.token ~= 'queued' and not again then
  want(KEYS[1], held, now)
  -- Should the holder die, its mark dies with its lease: a tick is due then. A tick that runs now
  -- keeps that in mind, else its commit would set a later due time.
  nudge(KEYS[5], member, KEYS[7], held.expires, now)
  return nil
end

-- A message that is old news: the canary has been looked at since, and is due later.
if ARGV[4] == 'tick' and ARGV[6] ~= '' and not held then
  local _, due = entry(KEYS[5], member)
  if not due or due > now then return nil end
end

local found = snapshot(now, KEYS[2], KEYS[3], KEYS[4], KEYS[12])
local token = again and held.token or (next_token(KEYS[6]) .. '-' .. epoch .. '-' .. ARGV[5])
take(KEYS[1], token, now, ttl, again and held.rest or '-')
local more, untold = {}, 0
if ARGV[4] == 'tick' then
  hasten(KEYS[5], member, now + ttl) -- a tick that dies is followed up
  redis.call('ZREM', KEYS[9], member)
  more = redis.call('HGETALL', KEYS[11])
  untold = has_notices(KEYS[10]) and 1 or 0
elseif ARGV[4] == 'status' or ARGV[4] == 'tell' or ARGV[4] == 'alert' then
  more = redis.call('HGETALL', KEYS[10])
end
return {token, found, redis.call('ZCARD', KEYS[5]), more, untold}
