"""What is measured and how it is fetched.

Nothing here imports an I/O library: backends are in `analysis.backends`, judging is passed in.
"""
