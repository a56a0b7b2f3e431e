"""The metrics server is away, unwell, slow or has nothing to say: told so, and in bounded time.

A failed read costs a failed check, as in Flagger; the revision is not promoted unmeasured.
"""

import itertools
import time
from typing import Any, Final

import pytest

from tests.services import processes
from tests.system import manifests, meters
from tests.system.meters import Health
from tests.system.site import App, Site

SECOND: Final = "registry.example/app:2"
NO_VALUES: Final = (
    "Halt advancement no values found for istio metric request-success-rate probably "
    "{target} is not receiving traffic: running query failed: no values found"
)
ALLOWED_SECONDS: Final = 30
"""Two checks, each after an interval of 1 s and with a time limit of 1 s, on a busy machine."""


@pytest.mark.parametrize(
    ("name", "health", "told"),
    [
        ("unwell", meters.unwell(503), "Prometheus query failed: "),
        ("throttling", meters.unwell(429), "Prometheus query failed: "),
        ("hanging", Health(delay_seconds=2.5), "Prometheus query failed: "),
        ("not-a-number", meters.NOT_A_NUMBER, NO_VALUES),
        ("empty", meters.SILENT, NO_VALUES),
    ],
)
def test_a_metrics_server_without_an_answer_rolls_back_and_says_why(
    site: Site, name: str, health: Health, told: str
) -> None:
    """The threshold of two failed checks is spent within bounded time, each told in full."""
    app = _measured_by(site.app(name), f"{site.meters.url}/{name}")
    app.release(SECOND)
    app.until_weight(40)
    site.meters.set(name, health)
    _assert_rolled_back(app, told.format(target=f"{name}.{site.namespace}"))


def test_an_unreachable_metrics_server_rolls_back_and_says_why(site: Site) -> None:
    """Initialization goes on with a Warning, as in Flagger; the release is not promoted."""
    (port,) = processes.free_ports(1)
    app = _measured_by(site.app("nowhere"), f"http://127.0.0.1:{port}")
    assert any(
        text.startswith("Error checking metric providers: ") for text in app.messages("Warning")
    )
    app.release(SECOND)
    app.until_weight(40)
    _assert_rolled_back(app, "Prometheus query failed: ")


def test_an_outage_of_one_check_costs_one_failed_check(site: Site) -> None:
    """One failed check, told once; the release is measured again an interval later and promoted."""
    app, server = site.app("hiccup"), f"{site.meters.url}/hiccup"
    _measured_by(app, server, threshold=5, webhooks=[app.a_hook()])
    healths = itertools.chain([meters.unwell(500)], itertools.repeat(meters.HEALTHY))
    # The hook is called before each check.
    site.receiver.meanwhile("/hiccup", lambda: site.meters.set("hiccup", next(healths)))
    app.release(SECOND)
    app.until("Succeeded")
    assert app.weights() == [0, 40, 80, 0]
    assert app.status()["failedChecks"] == 1
    assert any(text.startswith("Prometheus query failed: ") for text in app.messages("Warning"))


def test_a_slow_metrics_server_delays_nobody_elses_rollout(site: Site) -> None:
    """Design target: one that hangs has its own queue; the neighbour takes its steps in time."""
    slow = _measured_by(site.app("swamp"), f"{site.meters.url}/swamp", threshold=50)
    quick = _measured_by(site.app("brook"), f"{site.meters.url}/brook")
    site.meters.set("swamp", Health(delay_seconds=2.5))
    slow.release(SECOND)
    slow.until_weight(40)
    started = time.monotonic()
    quick.release(SECOND)
    quick.until("Succeeded")
    assert time.monotonic() - started < ALLOWED_SECONDS
    site.meters.set("swamp", meters.HEALTHY)
    slow.until("Succeeded")


def _measured_by(app: App, server: str, **analysis: Any) -> App:
    """The application, initialized, with a metrics server (and its breaker) of its own."""
    return app.deploy(manifests.a_canary(app.name, metricsServer=server, analysis=analysis))


def _assert_rolled_back(app: App, told: str) -> None:
    app.until("Failed", ALLOWED_SECONDS)
    assert app.weight() == 0
    assert app.image(primary=True) == "registry.example/app:1"
    warnings = app.messages("Warning")
    ends = f"Rolling back {app.name}.{app.site.namespace} failed checks threshold reached 2"
    assert ends in warnings
    failures = [text for text in warnings if text.startswith(told)]
    assert len(failures) >= 2, warnings
