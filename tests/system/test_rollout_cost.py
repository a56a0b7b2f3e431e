"""What Coalmine may do at the API server, and what it does: counted and refused there.

The roles are deploy/rbac/rbac.yaml as it is; every other system test runs under them too.
"""

import time
from collections import Counter

import pytest

from tests import patience
from tests.services.cluster import Refused, Request
from tests.stage import measuring
from tests.system import manifests
from tests.system.processes import ROLES
from tests.system.site import App, Site

SECOND = "registry.example/app:2"
ALERTS = [
    "New Deployment detected, initialization completed.",
    "New revision detected, progressing canary analysis.",
    "Canary analysis completed successfully, promotion finished.",
]
ACCOUNTS = sorted(set(ROLES.values()))


@pytest.fixture(scope="module")
def idle(site: Site) -> App:
    """An application that is initialized and left alone."""
    return site.app("idle").deploy()


@pytest.mark.parametrize("resource", ["virtualservices", "services", "destinationrules"])
@pytest.mark.parametrize("role", [role for role in ACCOUNTS if role != "routing"])
def test_nobody_but_routing_may_change_traffic(idle: App, role: str, resource: str) -> None:
    """Every other ServiceAccount is refused by the API server, whatever its code would do."""
    name = "idle-canary" if resource == "destinationrules" else "idle"
    assert _answer(idle, role, idle.path(resource, name)) == 403


@pytest.mark.parametrize("resource", ["virtualservices", "services", "destinationrules"])
def test_routing_may_change_traffic(idle: App, resource: str) -> None:
    """And its ServiceAccount is not refused."""
    name = "idle-canary" if resource == "destinationrules" else "idle"
    assert _answer(idle, "routing", idle.path(resource, name)) == 200


@pytest.mark.parametrize("role", [role for role in ACCOUNTS if role != "analysis"])
def test_nobody_but_analysis_may_change_workloads(idle: App, role: str) -> None:
    """Deployments are the analysis workers' alone."""
    assert _answer(idle, role, idle.path("deployments")) == 403


@pytest.mark.parametrize("role", ACCOUNTS)
def test_nobody_but_analysis_and_report_may_get_secrets_and_nobody_but_report_a_canary(
    idle: App, role: str
) -> None:
    """Credentials are the business of whoever copies or uses them; who shows things, marks them."""
    secret = f"/api/v1/namespaces/{idle.site.namespace}/secrets/none"
    assert _answer(idle, role, idle.path("canaries")) == (200 if role == "report" else 403)
    with pytest.raises(Refused) as refusal:
        idle.site.plane.request("GET", secret, token=idle.site.processes.accounts[role])
    assert refusal.value.status == (404 if role in {"analysis", "report"} else 403)


def test_no_request_of_ours_is_refused_in_a_whole_rollout(site: Site) -> None:
    """The shipped roles grant everything that is asked for, from a new canary to its promotion.

    But for the question with which a worker finds out at its start whether the server is there.
    It is measured by a MetricTemplate, whose Secret is read by analysis workers, and tells an
    AlertProvider, whose Secret is read by report workers; each alert comes once.
    """
    with measuring.receiver() as chat, site.plane.recorded() as requests:
        texts = {"token": "t0ken", "address": chat.url}
        site.plane.apply(manifests.a_secret("granted", texts), site.namespace)
        site.plane.apply(manifests.a_template("granted", site.meters.url), site.namespace)
        site.plane.apply(manifests.a_provider("granted"), site.namespace)
        measured = {"name": "errors", "templateRef": {"name": "granted"}, "thresholdRange": {}}
        alerts = {"alerts": [{"name": "chat", "providerRef": {"name": "granted"}}]}
        app = site.app("granted").deploy(
            manifests.a_canary("granted", metrics=[measured], analysis=alerts)
        )
        app.release(SECOND)
        app.until("Succeeded")
        patience.until(lambda: len(chat.calls) >= len(ALERTS))
    assert [call["attachments"][0]["text"] for call in chat.calls] == ALERTS
    refused = [one for one in _ours(site, requests) if one.code == 403]
    assert refused == []
    assert site.meters.authorizations == {"Bearer t0ken"}
    reads = [one.user for one in _ours(site, requests) if one.resource == "secrets"]
    readers = {site.processes.user(role) for role in ("analysis", "report")}
    assert set(reads) - {site.processes.user("beat")} == readers


def test_an_active_tick_makes_at_most_three_calls(site: Site) -> None:
    """Two built-in checks, a step: route patch, status patch, event, over all workers together.

    Counted from the step to 40 to the step to 80 inclusive, which is one tick.
    """
    app = site.app("counted").deploy(
        manifests.a_canary("counted", analysis={"interval": "10s", "stepWeight": 20})
    )
    app.release(SECOND)
    app.until_event("canary weight 20")
    app.until_done()  # long before the next tick is due
    with site.plane.recorded() as requests:
        app.until_event("canary weight 40")
        app.until_done()
    calls = Counter((one.verb, one.resource) for one in _about(app, requests))
    assert calls == {
        ("patch", "virtualservices"): 1,
        ("patch", "canaries/status"): 1,
        ("create", "events"): 1,
    }
    app.release("registry.example/app:1")
    app.until("Failed")


def test_an_idle_canary_costs_no_call(site: Site, idle: App) -> None:
    """Nothing is asked about canaries without a rollout; only watches are open."""
    idle.until("Initialized")
    with site.plane.recorded() as requests:
        time.sleep(5)
    assert _about(idle, requests) == []


def _about(app: App, requests: list[Request]) -> list[Request]:
    """What of ours is about an application, its events too, or about all: others are at work."""
    return [
        one
        for one in _ours(app.site, requests)
        if one.name in ("", app.name) or one.name.startswith((f"{app.name}.", f"{app.name}-"))
    ]


def _ours(site: Site, requests: list[Request]) -> list[Request]:
    """What Coalmine's accounts asked for, but for watches, which are opened once in minutes."""
    accounts = {site.processes.user(role) for role in ACCOUNTS}
    return [one for one in requests if one.user in accounts and one.verb != "watch"]


def _answer(app: App, role: str, path: str) -> int:
    """The status of the server's answer to a patch that changes nothing."""
    try:
        app.site.plane.request(
            "PATCH",
            path,
            {"metadata": {"labels": {}}},
            token=app.site.processes.accounts[role],
            content_type="application/merge-patch+json",
        )
    except Refused as refusal:
        return refusal.status
    return 200
