"""The commands that show: `coalmine get`, `status`, `why`, `history`, `wait`; read only.

`grammar` says how they are written, `listing` and `commands` what each does. `session` opens what
they ask: the API server through `cluster` and `looking`, and the timeline through `accounts`, which
Coalmine's own processes serve. `facts`, `sides` and `timeline` read the answers leniently, since
they may be Flagger's or another version's; `overview`, `tree`, `story` and `history` make texts of
them, and print nothing.
Commands that change things would stand beside these, with a session of their own: nothing here can
write.
"""
