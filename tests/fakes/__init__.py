"""Stand-ins for what is behind a door, held to the real thing by the contract tests."""
