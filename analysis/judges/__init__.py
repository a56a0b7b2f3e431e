"""How a measurement is judged: pure functions from a check and a measurement to a result.

`threshold` is the default judge; `wording` has the texts of the events it causes.
"""
