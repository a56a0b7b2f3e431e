"""What a scrape says, as values by name and labels."""

from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from exporter.registry import Registry

Labels = frozenset[tuple[str, str]]
Scrape = Mapping[str, Mapping[Labels, float]]


def scrape(registry: Registry) -> Scrape:
    """All samples. Raises AssertionError for one that is there twice."""
    text = registry.exposition().decode()
    found: dict[str, dict[Labels, float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = frozenset(sample.labels.items())
            assert key not in found.setdefault(sample.name, {}), sample
            found[sample.name][key] = sample.value
    return found


def named(
    scraped: Scrape, prefix: str, but: tuple[str, ...] = ()
) -> dict[str, Mapping[Labels, float]]:
    """The metrics whose names begin with `prefix`, without those that begin with one of `but`."""
    names = (name for name in scraped if name.startswith(prefix) and not name.startswith(but))
    return {name: scraped[name] for name in names if scraped[name]}


def labels(**given: str) -> Labels:
    """Labels as a key."""
    return frozenset(given.items())
