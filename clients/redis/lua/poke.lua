-- Ask for a run of one canary.
--
-- KEYS    1 tick lease  2 agenda  3 leader lease
-- ARGV    1 now, or ""  2 namespace/name  3 term, or ""  4 at ms, or "" for now
-- Return  1; or nil and no change when the term is over
-- Atomic  a tick that ends between looking at its lease and moving the due time would overwrite
--         the due time with its own.

local now = clock(ARGV[1])
if superseded(KEYS[3], ARGV[3], now) then return nil end
nudge(KEYS[2], ARGV[2], KEYS[1], tonumber(ARGV[4]) or now, now)
return 1
