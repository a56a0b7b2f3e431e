"""The rendered manifests on a real API server: it takes them, and the processes they describe work.

Three releases are made under them, good, bad and good, and told of: to a chat, by the address and
the token of a Secret, although the report worker is killed; to an Alertmanager; and to a Prometheus
that has our rules.

Not tested: images, network policies and budgets in force, for there are no nodes.
"""

import contextlib
import json
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from config.refs import CanaryRef
from tasks import teller
from tests.services import alertmanager, chats, deployments, manifests, presence, prometheus
from tests.services.alertmanager import Alertmanager, Pager
from tests.services.chats import Chat
from tests.services.cluster import APPLY, ControlPlane, Request
from tests.services.manifests import CHART, Manifest
from tests.services.prometheus import Prometheus
from tests.system import installed, leaks, meters
from tests.system import manifests as users
from tests.system import site as sites
from tests.system.processes import Processes
from tests.system.site import App, Site
from tests.unit.exporter import expressions

DRY_RUN: Final = urllib.parse.urlencode(
    {"dryRun": "All", "fieldValidation": "Strict", "fieldManager": "helm", "force": "true"}
)
SECRET: Final[Manifest] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "coalmine-secrets"},
}

PATH: Final = "T0K3NS-4ND-P4TH5"
TOKEN: Final = "xoxb-n0b0dy-5h4ll-r34d"
"""Of the chat: in a Secret, and nowhere else."""

NEW: Final = "New revision detected, progressing canary analysis."
PROMOTED: Final = "Canary analysis completed successfully, promotion finished."
TOLD: Final = [
    *("New Deployment detected, initialization completed.", NEW, PROMOTED),
    *(NEW, "Failed checks threshold reached 2", NEW, PROMOTED),
]
"""Flagger's alerts of three releases, of which the second is bad."""

ABOUT_CANARIES: Final = {"CanaryRolloutFailed", "canary_rollback"}
REPORT: Final = "coalmine-report-0-coalmine"


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> ControlPlane:
    """The API server, with the Prometheus Operator's kinds besides ours."""
    presence.require("helm")
    folder = presence.helm_files()
    assert folder is not None
    control_plane.apply_file(folder / "operator.yaml")
    return control_plane


@pytest.mark.parametrize(
    ("form", "more"), [("all", {}), ("dev", {}), ("istio", {"hpa": {"enabled": True}})]
)
def test_the_api_server_takes_every_object_as_it_is(
    plane: ControlPlane, form: str, more: Mapping[str, Any]
) -> None:
    """Validated on the server, unknown fields refused; that kustomize's are the same is tested."""
    home = plane.create_namespace()
    file = CHART / "ci" / f"{form}-values.yaml"
    values = {"serviceMonitor": {"enabled": True}, **more}
    rendered = manifests.helm(file=file, values=values, namespace=home)
    assert len(rendered) > 15
    for each in rendered:
        path = f"{plane.path(each, home)}?{DRY_RUN}"
        taken = plane.request("PATCH", path, each, content_type=APPLY)
        assert manifests.identity(taken)[0] == each["kind"]


@contextlib.contextmanager
def by_helm(
    plane: ControlPlane, folder: Path, environ: Mapping[str, str], *, secrets: Mapping[str, str]
) -> Iterator[Processes]:
    """What the chart runs in a namespace of its own, under Roles in the watched one alone.

    `secrets` are settings by the names of their variables.
    """
    home = plane.create_namespace()
    given = {name.removeprefix("COALMINE_"): value for name, value in environ.items()}
    values: dict[str, Any] = {
        "namespace": given.pop("NAMESPACE"),
        "metricsServer": given.pop("METRICS_SERVER"),
        "existingSecret": SECRET["metadata"]["name"],
        "roles": {"hooks": {"replicas": 1}, "report": {"replicas": 1}},  # each costs a start
        "settings": {f"COALMINE_{name}": value for name, value in given.items()},
    }
    rendered = manifests.helm(values=values, namespace=home)
    ours = [each for each in rendered if each["kind"] != "CustomResourceDefinition"]
    secret = {**SECRET, "stringData": dict(secrets)}
    with installed.at_work(plane, folder, _without_a_right(ours), home, secret) as started:
        yield started


def _without_a_right(rendered: Sequence[Manifest]) -> list[Manifest]:
    """The objects, with analysis workers that may not patch ScaledObjects: somebody forgot it."""
    [role] = [
        each
        for each in manifests.of_kind(rendered, "Role")
        if each["metadata"]["name"] == "coalmine-analysis"
    ]
    rules = [
        {**rule, "verbs": ["get", "create"]} if "scaledobjects" in rule["resources"] else rule
        for rule in role["rules"]
    ]
    return [{**role, "rules": rules} if each is role else each for each in rendered]


@pytest.fixture(scope="module")
def pager() -> Iterator[Pager]:
    """Whoever is on call."""
    with alertmanager.pager() as pager:
        yield pager


@pytest.fixture(scope="module")
def alarms(pager: Pager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Alertmanager]:
    """The Alertmanager of the installation."""
    presence.require("alertmanager")
    folder = tmp_path_factory.mktemp("alertmanager")
    route = {"receiver": "pager", "group_by": ["alertname"]}
    with alertmanager.running(folder, {"pager": pager.url}, [route]) as server:
        yield server


@pytest.fixture(scope="module")
def site(
    plane: ControlPlane, alarms: Alertmanager, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A namespace with the processes of an installation by helm."""
    folder = tmp_path_factory.mktemp("installed")
    start = partial(by_helm, secrets={"COALMINE_ALERTMANAGER_URL": alarms.url})
    with sites.opened(plane, folder, deployments.none_needed, start) as opened:
        yield opened


@pytest.fixture(scope="module")
def recording(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes the processes; what our rules wait a minute for, it has at once."""
    presence.require("prometheus")
    folder = tmp_path_factory.mktemp("prometheus")
    for name in expressions.FILES:
        rules = (expressions.RULES / name).read_text("utf-8")
        (folder / name).write_text(rules.replace("for: 1m", "for: 1s"), "utf-8")
    targets = [urllib.parse.urlsplit(url).netloc for url in site.processes.pages.values()]
    files = [folder / name for name in expressions.FILES]
    with prometheus.running(folder, targets=targets, rules=files) as server:
        yield server


@dataclass(frozen=True)
class Told:
    """What came of three releases of `app`, and who was told what."""

    app: App
    chat: Chat
    requests: Sequence[Request]
    notifications: Sequence[tuple[str, str, str]]
    """Of the Alertmanager: status, name and canary."""
    fired: set[str]
    """Rules of Prometheus that fired for the canary after the bad release, and not before."""
    places: Mapping[str, str]


@pytest.fixture(scope="module")
def told(site: Site, pager: Pager, recording: Prometheus) -> Iterator[Told]:
    """A good release, a bad one during which the report worker is killed, and a good one."""
    with chats.chat() as chat, leaks.tapped(site.processes.valkey) as tap:
        with site.plane.recorded() as requests:
            app = _deployed(site, chat)
            _released_well_though_the_chat_is_away(app, chat)
            _until_scraped(recording, app)
            before = _firing(recording, app)
            _released_badly_though_the_report_worker_is_killed(app)
            notifications = [_notification(pager)]
            _until_firing(recording, app, ABOUT_CANARIES)
            fired = _firing(recording, app) - before
            site.meters.set(app.name, meters.HEALTHY)
            app.release("registry.example/app:4")
            app.until("Succeeded")
            notifications.append(_notification(pager))
        yield Told(app, chat, requests, notifications, fired, leaks.places(app, tap))


def _deployed(site: Site, chat: Chat) -> App:
    """The application, whose Canary tells the chat of a Secret."""
    app = site.app("installed")
    address = f"{chat.url}/services/{PATH}"
    app.apply(users.a_secret("chat", {"address": address, "token": TOKEN}))
    app.apply(users.a_provider("chat"))
    alert = {"name": "team", "severity": "info", "providerRef": {"name": "chat"}}
    analysis = {"alerts": [alert], "webhooks": [app.a_hook()]}
    return app.deploy(users.a_canary(app.name, analysis=analysis))


def _released_well_though_the_chat_is_away(app: App, chat: Chat) -> None:
    """It refuses what it is told first, in words that hold the secrets."""
    chat.retry_after, known = 1, len(chat.asked)
    chat.answer = (503, f"away: /services/{PATH} Bearer {TOKEN}")
    app.release("registry.example/app:2")
    app.site.until(lambda: len(chat.asked) > known, "the chat is told")
    chat.answer = (200, "ok")
    app.until("Succeeded")


def _released_badly_though_the_report_worker_is_killed(app: App) -> None:
    """From when it has told of the beginning until all is decided nobody tells anything."""
    ref, store = CanaryRef(app.site.namespace, app.name), app.site.processes.store
    with contextlib.ExitStack() as killed:
        with app.standing("registry.example/app:3", 40):
            app.until("Progressing")
            app.site.until(lambda: not store.undelivered(ref).notices, "all is told")
            killed.enter_context(app.site.processes.members[REPORT].down())
            app.site.meters.set(app.name, meters.FAILING)
        app.site.until(lambda: _phase(store.read(ref).state) == "Failed", "the release is bad")
        assert store.undelivered(ref).notices
        assert app.status()["phase"] == "Progressing"
    lease = teller.TELL_LEASE.total_seconds()  # that of the killed one has to end, if it had one
    app.site.until(lambda: not store.undelivered(ref).notices, "all is told", lease + 30)
    app.until("Failed")


def _phase(state: Mapping[str, Any] | None) -> str:
    return str((state or {}).get("phase"))


def _notification(pager: Pager) -> tuple[str, str, str]:
    """The next one."""
    notification = pager.next()
    (alert,) = notification["alerts"]
    return notification["status"], alert["labels"]["alertname"], alert["labels"]["name"]


def _until_scraped(recording: Prometheus, app: App) -> None:
    """A Prometheus takes seconds to begin, and a counter that it sees first at 1 has not risen."""
    none = f'canary:flagger_canary_failures:max{{name="{app.name}"}} == 0'
    app.site.until(lambda: bool(recording.query(none)["result"]), "the canary is scraped")


def _firing(recording: Prometheus, app: App) -> set[str]:
    """The rules that fire for the canary."""
    firing = f'ALERTS{{alertstate="firing",name="{app.name}",namespace="{app.site.namespace}"}}'
    return {each["metric"]["alertname"] for each in recording.query(firing)["result"]}


def _until_firing(recording: Prometheus, app: App, rules: set[str]) -> None:
    app.site.until(lambda: _firing(recording, app) >= rules, f"{rules} fire")


def test_an_installation_promotes_good_releases_and_takes_back_a_bad_one(told: Told) -> None:
    """Under the rendered accounts and Roles: no request is refused in any rollout."""
    assert told.app.weights() == [0, 40, 80, 0, 40, 0, 40, 80, 0]
    assert told.app.image(primary=True) == "registry.example/app:4"
    assert not [one for one in told.requests if one.code == 403 and "serviceaccount" in one.user]


def test_a_chat_takes_each_message_once_though_it_and_the_report_worker_were_away(
    told: Told,
) -> None:
    """In Slack's format, with the token of the Secret, in order."""
    assert told.chat.taken == TOLD
    assert not told.chat.refused
    assert len(told.chat.asked) > len(TOLD)
    assert {(path, headers["Authorization"]) for path, headers, _ in told.chat.asked} == {
        (f"/services/{PATH}", f"Bearer {TOKEN}")
    }


def test_the_alert_of_the_bad_release_is_resolved_by_the_next_success(
    told: Told, pager: Pager, alarms: Alertmanager
) -> None:
    """One notification each, by Alertmanager itself."""
    alert = ("CanaryFailed", "installed")
    assert told.notifications == [("firing", *alert), ("resolved", *alert)]
    assert pager.told.empty()
    assert alarms.active() == []


def test_the_rules_fire_on_the_bad_release(told: Told) -> None:
    """Flagger's own, and the one that is at once there."""
    assert told.fired == ABOUT_CANARIES


@pytest.mark.parametrize("secret", [PATH, TOKEN], ids=["address", "token"])
def test_what_a_secret_holds_is_nowhere_to_be_read(told: Told, secret: str) -> None:
    """Though the name of the canary, which could be anywhere, is found in each place."""
    assert leaks.holding(told.places, told.app.name) == set(told.places)
    assert leaks.holding(told.places, secret) == set()


def test_a_role_without_a_right_says_so_at_its_start_and_works_on(site: Site) -> None:
    """Each process of that role, and no other: which right it is, and whose."""
    lines = {
        name: [json.loads(line) for line in process.log.read_text("utf-8").splitlines()]
        for name, process in site.processes.members.items()
    }
    missing = {
        name: (line["verb"], line["resource"], line["account"].rpartition(":")[2])
        for name, told in lines.items()
        for line in told
        if line["msg"] == "right missing"
    }
    right = ("patch", "scaledobjects.keda.sh", "coalmine-analysis")
    assert missing == {f"coalmine-analysis-{replica}-coalmine": right for replica in range(2)}
    site.app("beside").deploy()
