"""Load testers on free ports."""

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from clients.gates import Gates
from config.settings.loadtester import LoadTesterSettings
from loadtester.askers import Askers
from tests.services.loadtesters import LoadTester, Start, running


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a load tester with the settings that are named; all end with the test."""
    with contextlib.ExitStack() as stack:

        def started(
            gates: Gates | None = None,
            environ: Mapping[str, str] | None = None,
            askers: Askers | None = None,
            **settings: Any,
        ) -> LoadTester:
            chosen = replace(LoadTesterSettings(timeout=timedelta(seconds=20)), **settings)
            parts = {"askers": askers} if askers else {}
            return stack.enter_context(running(chosen, gates, environ, **parts))

        yield started


@pytest.fixture(scope="session")
def tester() -> Iterator[LoadTester]:
    """One with the usual settings, for tests that change nothing of each other's."""
    with running(LoadTesterSettings(timeout=timedelta(seconds=20))) as one:
        yield one
