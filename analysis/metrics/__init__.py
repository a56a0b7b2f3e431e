"""What is measured and how it is fetched.

queries    the built-in PromQL, as a table
checks     a canary's checks, rendered and in evaluation order (pure)
fanout     calls side by side, waited for only so long
breaker    when to stop asking a server that does not answer
reader     fetches all checks of a tick at once, within bounded time

Nothing here imports an I/O library: backends are in `analysis.backends`, judging is passed in.
"""
