"""The two documents about one canary that processes share beside its state: their only form.

`world` is what the watches have seen, `confirmed` what the reconcilers have brought about. Both are
Redis hashes with a version of their own; a document of another version is unreadable, never
misread. Frozen values and their codecs; no I/O.
"""
