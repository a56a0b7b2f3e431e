"""What each role may do at the API server: the table of it, and the start-up check."""
