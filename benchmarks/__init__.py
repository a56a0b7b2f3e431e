"""Measurements of the whole: calls, queries, commands, processor time and lateness per tick.

Started with `make bench`; prints figures, asserts nothing.
"""
