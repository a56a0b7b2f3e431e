"""Coalmine as processes of its own, at real services; its modules share one site."""
