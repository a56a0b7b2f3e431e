"""`coalmine demo`: three releases on a sandbox cluster, watched live, judged at the end.

`story` says what is released and how each should end, `stage` runs the processes, `scene` reads
how things stand (through the Kubernetes API, and the timeline through the store), `view` draws
it, `verdict` compares the end with the story, `run` puts them together.
"""
