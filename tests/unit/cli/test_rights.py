"""What a process says at its start about rights that it does not have."""

import logging
from collections.abc import Collection
from typing import Any

import pytest

from cli.rbac import review
from cli.rbac.table import Right
from clients import errors
from clients.kube import resources
from clients.kube.protocol import Kube, NoKube, Object
from config import roles
from config.settings.settings import Settings
from routing.registry import ROUTERS

PATCH_ROUTES = Right("networking.istio.io", "virtualservices", "patch")
ACCOUNT = "system:serviceaccount:coalmine-system:coalmine-routing"


class Reviewer(Kube):
    """An API server that answers reviews: everything is allowed but what is `denied`."""

    def __init__(self, denied: Collection[Right] = ()) -> None:
        self._denied = denied
        self.namespaces: set[str] = set()

    def until(self, deadline: float) -> "Reviewer":
        """Itself."""
        del deadline
        return self

    def request(self, method: str, path: str, body: Any = None, content_type: str = "") -> Object:
        """The review with its status."""
        assert (method, content_type) == ("POST", "")
        if path == resources.SUBJECT_REVIEWS.path(None):
            return {**body, "status": {"userInfo": {"username": ACCOUNT}}}
        assert path == resources.ACCESS_REVIEWS.path(None)
        asked = body["spec"]["resourceAttributes"]
        self.namespaces.add(asked["namespace"])
        subresource = f"/{asked['subresource']}" if asked["subresource"] else ""
        right = Right(asked["group"], asked["resource"] + subresource, asked["verb"])
        return {**body, "status": {"allowed": right not in self._denied}}


def asked(role: str, denied: Collection[Right], **environ: str) -> list[Right]:
    """What `role` is said to lack."""
    settings = Settings.from_environ(environ)
    return [each.right for each in review.missing(Reviewer(denied), [role], settings, ROUTERS)]


def test_a_missing_right_is_told_with_account_and_remedy(caplog: pytest.LogCaptureFixture) -> None:
    """One line for each, with all that whoever grants it needs to know."""
    review.tell(Reviewer([PATCH_ROUTES]), ["routing"], Settings(), ROUTERS)
    [line] = caplog.records
    assert (line.levelno, line.message) == (logging.ERROR, "right missing")
    told = {key: getattr(line, key) for key in ("verb", "resource", "account", "needed", "remedy")}
    assert told == {
        "verb": "patch",
        "resource": "virtualservices.networking.istio.io",
        "account": ACCOUNT,
        "needed": "all that holds traffic",
        "remedy": "grant it by a ClusterRole; deploy/rbac has all of them",
    }


def test_who_has_all_rights_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Nor does a role that needs none."""
    caplog.set_level(logging.INFO)
    for role in roles.ALL:
        review.tell(Reviewer(), [role], Settings(), ROUTERS)
    review.tell(NoKube(), ["hooks"], Settings(), ROUTERS)
    assert not caplog.records


def test_what_the_settings_do_without_is_not_asked_for() -> None:
    """Without config tracking analysis workers read Secrets of templates, and write none."""
    denied = {Right("", "configmaps", "create"), Right("", "secrets", "get")}
    assert set(asked("analysis", denied)) == denied
    without = asked("analysis", denied, COALMINE_ENABLE_CONFIG_TRACKING="false")
    assert without == [Right("", "secrets", "get")]


def test_with_a_namespace_it_is_the_rights_there_that_count() -> None:
    """An empty one means all namespaces."""
    for environ, namespaces in (({}, {""}), ({"COALMINE_NAMESPACE": "shop"}, {"shop"})):
        server = Reviewer()
        assert not list(review.missing(server, ["beat"], Settings.from_environ(environ), ROUTERS))
        assert server.namespaces == namespaces


def test_a_server_that_reviews_nothing_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """Such as the sandbox's; the process goes on."""

    class Plain(Reviewer):
        def request(self, *_: Any) -> Object:
            raise errors.NotFound("no such path", status=404)

    caplog.set_level(logging.INFO)
    review.tell(Plain(), ["routing"], Settings(), ROUTERS)
    assert [line.message for line in caplog.records] == ["rights not asked for"]
