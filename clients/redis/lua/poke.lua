-- Ask for a run of one canary.
--
-- KEYS    1 tick lease  2 agenda  3 leader leases
-- ARGV    1 now, or ""  2 namespace/name  3 term, or ""  4 at ms, or "" for now
--         5 rank of a canary that is not on the agenda
-- Return  1; or nil and no change when the term is over
-- Atomic  a tick that ends between looking at its lease and moving the due time would overwrite
--         the due time with its own.

local now = clock(ARGV[1])
if superseded(KEYS[3], ARGV[3], now) then return nil end
local at, held = tonumber(ARGV[4]) or now, lease(KEYS[1], now)
hasten(KEYS[2], ARGV[2], at, tonumber(ARGV[5]))
if held then want(KEYS[1], held, at) end
return 1
