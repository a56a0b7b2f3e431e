-- Make one decision true: state, timeline, notices, due time, and release of the tick lease.
--
-- KEYS    1 state  2 confirmed  3 timeline  4 notices  5 tick lease  6 agenda  7 epoch  8 tally
-- ARGV    1 now, or ""  2 namespace/name  3 expected version  4 floor  5 state JSON  6 uid, or ""
--         7 token, or ""  8 due ms, or ""  9 timeline JSON, or ""  10 timeline length
--         11 what the entry of the timeline repeats, or ""  12 rank, or ""
--         13 checks of the tally, or ""  14 number of its fields that grow
--         15... each of these, and by how much; then notices JSON
-- Return  the new version, or nil and nothing was changed: the version is not the expected one, or
--         is that of another Canary object, or what is stored is not confirmed, or was not when the
--         tick began
-- Atomic  it is the one place where a rollout moves: a reader sees all of a decision or none, and
--         of several decisions made from one version exactly one becomes true.

local now, member = clock(ARGV[1]), ARGV[2]
local expected, floor = tonumber(ARGV[3]), tonumber(ARGV[4])
local uid, token, due = ARGV[6], ARGV[7], tonumber(ARGV[8])
local by = token ~= '' and (token .. '/' .. ARGV[3]) or ''

-- All reads come first. A key of the wrong type, or a server out of memory, fails here or at the
-- first write: before anything has changed.
local stored = redis.call('HMGET', KEYS[1], 'version', 'by', 'uid')
local version = tonumber(stored[1] or '0')
local confirmed = redis.call('HGET', KEYS[2], 'uid')
local held = lease(KEYS[5], now)
-- A wait repeats itself: its last entries are kept once each, or they would push out all others.
local repeated, recent = nil, {}
redis.call('XLEN', KEYS[3])
if ARGV[11] ~= '' then recent = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 8) end
for _, entry in ipairs(recent) do
  local again = entry[2][4]
  if not again then break end
  if again == ARGV[11] then repeated = entry[1] end
end
redis.call('HLEN', KEYS[4])
redis.call('ZSCORE', KEYS[6], member)
redis.call('HLEN', KEYS[8])

if by ~= '' and stored[2] == by then return digits(version) end -- sent again: its answer was lost
if version ~= expected then return nil end
local epoch = confirmed_epoch(KEYS[7], member)
if not epoch or (token ~= '' and not of_epoch(token, epoch)) then return nil end
local ours = held and held.token == token
-- Version 0 is also what forgetting leaves behind, and its successor may have come to any version
-- by now: without its lease, a tick that was under way brings no deleted canary back.
local is_another = expected == 0 or stored[3] ~= uid
if token ~= '' and not ours and is_another then return nil end

version = math.max(expected, floor) + 1
redis.call('HSET', KEYS[1], 'version', digits(version), 'json', ARGV[5], 'uid', uid, 'by', by)
if confirmed and uid ~= '' and confirmed ~= uid then redis.call('DEL', KEYS[2]) end
if repeated then redis.call('XDEL', KEYS[3], repeated) end
if ARGV[9] ~= '' then
  local fields = { 'entry', ARGV[9] }
  if ARGV[11] ~= '' then fields = { 'entry', ARGV[9], 'again', ARGV[11] } end
  redis.call('XADD', KEYS[3], 'MAXLEN', '~', ARGV[10], '*', unpack(fields))
end
if ARGV[13] ~= '' then redis.call('HSET', KEYS[8], 'checks', ARGV[13]) end
local told = 15 + 2 * tonumber(ARGV[14])
for index = 15, told - 1, 2 do
  redis.pcall('HINCRBYFLOAT', KEYS[8], ARGV[index], ARGV[index + 1]) -- no reason to stop halfway
end
for index = told, #ARGV do
  redis.call('HSET', KEYS[4], string.format('%012.0f-%d', version, index - told), ARGV[index])
end

if ours then
  redis.call('DEL', KEYS[5])
  settle(KEYS[6], member, due, tonumber(ARGV[12]), held.wanted)
else
  -- Without the lease nobody kept what was asked for since: bring forward only. Another holder
  -- decides from a version that is gone; let it run again.
  if due then hasten(KEYS[6], member, due) end
  if held then want(KEYS[5], held, now) end
end
return digits(version)
