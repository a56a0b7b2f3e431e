"""`coalmine demo`: three releases on a sandbox cluster, watched live, judged at the end.

`story` says what is released and how each should end, `stage` runs the processes, `scene` reads
how things stand and compares the end with the story, `view` draws, `run` puts them together.
"""
