"""How a measurement is judged: pure functions from a check and a measurement to a result."""
