"""The command line: `coalmine up`, `worker`, `beat`, `flower`, `demo`.

Thin over the packages below it: it parses arguments, starts processes, prints.
"""
