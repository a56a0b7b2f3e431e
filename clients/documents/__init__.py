"""What processes share about one canary beside its state: frozen values and their codecs; no I/O.

`world` is what the watches have seen, `confirmed` what the reconcilers have brought about: Redis
hashes, each with a version of its own; one of another version is unreadable, never misread.
`calls` are the answers of webhooks, `notice` what is to be told. An `outcome` is not stored: it is
how a writer says what it has done.
"""
