-- Release a work lease without a decision.
--
-- KEYS    1 work lease  2 agenda  3 tick lease  4 epoch  5 notices  6 state
-- ARGV    1 now, or ""  2 namespace/name  3 token  4 due ms, or ""  5 "tick", or another work
--         6 rank of a tick, or ""  7 uid of the Canary object that the notices are about, or ""
--         8... notices that were told, to be dropped whoever has the lease; not when Redis failed
--         over or lost something since, or the state is about another object: others may have
--         their ids by now
-- Return  1 when a run was asked for meanwhile (of a tick, the agenda has it already), else 0;
--         0 and no change when the lease is no longer ours
-- Atomic  a mark set between looking and releasing would be lost.

local now, member, due = clock(ARGV[1]), ARGV[2], tonumber(ARGV[4])
local held, ours = lease(KEYS[1], now), of_epoch(ARGV[3], confirmed_epoch(KEYS[4], member))
if ours and #ARGV > 7 and redis.call('HGET', KEYS[6], 'uid') == ARGV[7] then
  for index = 8, #ARGV do redis.call('HDEL', KEYS[5], ARGV[index]) end
end
if not held or held.token ~= ARGV[3] then return 0 end

redis.call('DEL', KEYS[1])
-- What a tick saw before Redis failed over or lost something is no reason to rest.
if due and not ours then due = now end
if ARGV[5] == 'tick' then
  settle(KEYS[2], member, due, tonumber(ARGV[6]), held.wanted)
elseif due then
  nudge(KEYS[2], member, KEYS[3], due, now)
end
if held.wanted and held.wanted <= now then return 1 end
return 0
