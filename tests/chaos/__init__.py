"""The system tier while processes are killed and servers cut; its modules share one site."""
