"""The command line: `coalmine up`, `worker`, `beat`, `flower`, `demo`, `sandbox`.

Thin over the packages below it: it parses arguments, starts processes, prints.
"""
