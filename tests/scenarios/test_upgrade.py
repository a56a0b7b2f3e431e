"""Versions of ours one after the other, and side by side: documents and messages of each.

Those of a released version are in tests/golden, and are never changed.
"""

import logging

import pytest

from tests.golden import documents
from tests.stage import rollouts
from tests.stage.stage import Stage

ODD = {"aFieldOfTomorrow": {"nobody": "knows it"}}


@pytest.fixture(scope="module")
def versions() -> list[str]:
    """All that documents are kept of."""
    return documents.versions()


def test_documents_of_every_released_version_are_kept(versions: list[str]) -> None:
    """The present one among them: they are written when it is released."""
    assert documents.present() in versions


@pytest.mark.parametrize("version", documents.versions())
def test_messages_of_a_version_are_read(version: str) -> None:
    """An old worker's messages, by a new one; with fields that are not known, too."""
    kept = documents.read(version, "messages")
    assert kept
    for name, message in kept.items():
        meant = documents.MESSAGES[name]
        assert type(meant).parse(message) == meant
        assert type(meant).parse({**message, **ODD}) == meant


def test_messages_are_written_as_the_release_before_reads_them(versions: list[str]) -> None:
    """And back: what a new worker sends, an old one understands, letter by letter."""
    kept = documents.read(versions[-1], "messages")
    assert {name: message.dump() for name, message in documents.MESSAGES.items()} == kept


@pytest.mark.parametrize("version", documents.versions())
def test_a_rollout_begun_by_a_version_ends_well_under_this_one(
    version: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing that it has stored is unreadable, and no step is taken twice or back."""
    stage = documents.under_way()
    documents.put(stage, documents.read(version, "redis"))
    with caplog.at_level(logging.WARNING):
        rollouts.finish(stage)
    rollouts.succeeded(stage)
    assert stage.weights == [0, 20, 40, 60, 0]
    assert not [line for line in caplog.messages if "unreadable" in line or "rebuil" in line]
    assert [entry["rule"] for entry in timeline(stage)].count("new_revision") == 1


def timeline(stage: Stage) -> list[dict[str, object]]:
    """What was decided, by the version before and by this one."""
    return [dict(entry) for entry in stage.store.timeline(stage.ref)]
