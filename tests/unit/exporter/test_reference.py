"""docs/metrics.md: complete, and what the code declares."""

from exporter import reference
from tests.services.presence import REPOSITORY


def test_the_page_is_what_is_declared() -> None:
    """Regenerate with `python -m exporter.reference > docs/metrics.md`."""
    assert (REPOSITORY / "docs" / "metrics.md").read_text("utf-8") == reference.markdown()


def test_names_are_those_of_prometheus_conventions() -> None:
    """Counters end with `_total`, times are in seconds, no name is there twice."""
    metrics = tuple(reference.declared())
    assert len({each.name for each in metrics}) == len(metrics) > 30
    for each in metrics:
        assert each.name.startswith(("coalmine_", "flagger_"))
        is_number_of_canaries = each.name == "flagger_canary_total"  # Flagger's own name
        assert each.name.endswith("_total") == (each.kind == "counter") or is_number_of_canaries
        assert bool(each.buckets) == (each.kind == "histogram")
