-- All that is stored about one canary.
--
-- KEYS    1 state  2 confirmed  3 world  4 leaps
-- ARGV    1 now, or ""
-- Return  {now, version ("0" = no state), state JSON ("" = none), {field, value, ...} confirmed,
--         {role, JSON, ...} world, leaps or ""}
-- Atomic  so that state, confirmation and world are of one moment: a newer confirmation beside an
--         older state would look like an effect nobody asked for.

return snapshot(clock(ARGV[1]), KEYS[1], KEYS[2], KEYS[3], KEYS[4])
