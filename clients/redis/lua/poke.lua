-- Ask for a run of one canary.
--
-- KEYS    1 tick lease  2 agenda
-- ARGV    1 now, or ""  2 namespace/name  3 at ms, or "" for now
-- Return  nothing
-- Atomic  a tick that ends between looking at its lease and moving the due time would overwrite
--         the due time with its own.

local now = clock(ARGV[1])
nudge(KEYS[2], ARGV[2], KEYS[1], tonumber(ARGV[3]) or now, now)
