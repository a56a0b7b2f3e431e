"""What operators set: flags and environment variables as one frozen value."""
