"""What tests ask of an outcome."""

from clients.documents.outcome import Applied, Outcome


def wrote(outcome: Outcome) -> bool:
    """Whether all is as intended, after writing something."""
    return isinstance(outcome, Applied) and bool(outcome.written)
