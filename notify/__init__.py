"""Telling people and machines what was decided: one payload builder per channel.

Pure; delivery is the report workers' business. Kubernetes events are the only channel so far.
"""
