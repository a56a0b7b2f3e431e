"""Waiting at start: patient with what is away, plain with what cannot work."""

import gc
import json
import logging
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli import exits, startup, up
from clients import errors
from clients.clock import ManualClock
from clients.kube.protocol import NoKube
from clients.kube.resources import CANARIES
from config.realms import Realm
from config.settings.groups import KubernetesSettings
from config.settings.settings import Settings, SettingsError
from tests.fakes import memory_redis
from tests.fakes.faults import Fault
from tests.fakes.kube import FakeKube
from tests.stores import DirectStore


@pytest.fixture
def clock() -> ManualClock:
    """A clock that sleeping moves."""
    return ManualClock(datetime(2026, 1, 1, tzinfo=UTC))


@pytest.fixture
def _logging_restored() -> Iterator[None]:
    """Puts the logging of the test process back as it was."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    hooks = sys.excepthook, threading.excepthook
    yield
    root.handlers[:], root.level = handlers, level
    sys.excepthook, threading.excepthook = hooks
    logging.captureWarnings(capture=False)
    logging.getLogger("celery.task").handlers.clear()
    for name in ("celery.worker.strategy", "celery.app.trace", "celery.worker.consumer"):
        logging.getLogger(name).setLevel(logging.NOTSET)


def test_an_api_server_that_is_away_is_waited_for(
    clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A minute of refused connections costs a minute, and a line every half of it."""
    kube = FakeKube(clock)
    kube.faults.add(Fault(errors.Transient("connection refused"), times=120))
    caplog.set_level(logging.INFO)

    startup.wait_for_kubernetes(kube, Settings(), clock)

    assert clock.monotonic() == pytest.approx(60)
    assert len(kube.calls) == 121
    waiting = [record for record in caplog.records if record.message == "waiting"]
    assert len(waiting) == 2
    assert caplog.records[-1].message == "found"


def test_an_api_server_that_answers_costs_one_request(clock: ManualClock) -> None:
    """No object is needed for that, and no definition."""
    kube = FakeKube(clock)
    startup.wait_for_kubernetes(kube, Settings.from_environ({"COALMINE_NAMESPACE": "shop"}), clock)

    assert [(call.verb, call.resource) for call in kube.calls] == [("get", "canaries")]
    assert clock.monotonic() == 0


def test_a_role_that_may_not_read_canaries_starts_all_the_same(clock: ManualClock) -> None:
    """A server that forbids answers; what the role may do is not known here."""
    kube = FakeKube(clock)
    kube.faults.add(Fault(errors.Permanent("forbidden", status=403)))

    startup.wait_for_kubernetes(kube, Settings(), clock)


def test_a_server_that_does_not_know_us_ends_the_start(clock: ManualClock) -> None:
    """Credentials do not become valid by waiting."""
    kube = FakeKube(clock)
    kube.faults.add(Fault(errors.Permanent("who are you?", status=401)))

    with pytest.raises(exits.Unusable, match="who are you"):
        startup.wait_for_kubernetes(kube, Settings(), clock)


def test_a_process_that_waits_ends_when_it_is_told_to() -> None:
    """Also the first one of a container, which the kernel has ignore what it does not handle."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        startup.heed_sigterm()
        with pytest.raises(SystemExit) as ending:
            signal.raise_signal(signal.SIGTERM)
    finally:
        signal.signal(signal.SIGTERM, before)
    assert ending.value.code == 143


def test_a_redis_that_is_not_named_is_told_with_option_and_variable(clock: ManualClock) -> None:
    """As other settings are when they are wrong."""
    with pytest.raises(SettingsError) as refusal:
        startup.wait_for_redis(Settings(), clock)
    assert refusal.value.problems == ("--redis-url (COALMINE_REDIS_URL): is required",)


def test_up_with_a_redis_of_its_own_is_no_shard() -> None:
    """Nobody else could lead the others; with a Redis that is named, somebody may."""
    shard = Settings.from_environ({"COALMINE_SHARD": "0/2"})
    with pytest.raises(exits.Unusable, match=r"--shard 0/2: .* give --redis-url"):
        up.run(shard, {}, up.SMALL, parent=None)


@pytest.mark.parametrize("content", [None, "contexts: []"])
def test_a_kubeconfig_that_cannot_be_used_does_not_ask_for_what_was_given(
    content: str | None, tmp_path: Path, clock: ManualClock
) -> None:
    """A file that is not there is told as such; --kubeconfig is only asked for without one."""
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)
    settings = Settings.from_environ({"COALMINE_KUBECONFIG": str(path)})
    with pytest.raises(exits.Unusable) as refusal:
        startup.connect_kubernetes(settings, "test", clock)

    assert str(refusal.value).startswith(f"kubernetes: kubeconfig {path}: ")
    assert ("there is no such file" in str(refusal.value)) is (content is None)
    assert "give --kubeconfig" not in str(refusal.value)


def test_a_kubeconfig_that_is_a_folder_is_told(tmp_path: Path, clock: ManualClock) -> None:
    """Nothing to wait for: starting again would not help."""
    settings = Settings.from_environ({"COALMINE_KUBECONFIG": str(tmp_path)})
    with pytest.raises(exits.Unusable, match="is a folder"):
        startup.connect_kubernetes(settings, "test", clock)


def test_a_redis_url_of_an_unknown_form_ends_the_start(clock: ManualClock) -> None:
    """What is allowed is said, the URL is not."""
    settings = Settings.from_environ({"COALMINE_REDIS_URL": "sentinel://:secretword@"})

    with pytest.raises(exits.Unusable) as refusal:
        startup.wait_for_redis(settings, clock)
    assert "redis+sentinel://" in str(refusal.value)
    assert "secretword" not in str(refusal.value)


def test_a_redis_that_is_away_is_named_without_its_password(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Address, cause and what to do; the one who waits needs no other line."""

    class Enough(Exception):
        """Ends the wait."""

    class Impatient(ManualClock):
        """A clock whose sleeper gives up."""

        def sleep(self, seconds: float) -> None:
            """Gives up."""
            raise Enough(seconds)

    url = "redis://operator:secretword@127.0.0.1:1/0"
    settings = Settings.from_environ({"COALMINE_REDIS_URL": url})
    with caplog.at_level(logging.WARNING), pytest.raises(Enough):
        startup.wait_for_redis(settings, Impatient(datetime(2026, 1, 1, tzinfo=UTC)))
    (line,) = (vars(record) for record in caplog.records)

    told = "Redis: connecting: the connection broke: Connection refused (127.0.0.1:1)"
    assert line["error"] == told
    assert "COALMINE_REDIS_URL" in line["remedy"]
    assert "secretword" not in str(line)


@pytest.mark.usefixtures("_logging_restored")
def test_an_exception_that_nobody_catches_is_one_line_of_json(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In whichever thread it is raised; a log pipeline would split a traceback."""

    def defect() -> None:
        raise ValueError("impossible")

    with warnings.catch_warnings():
        startup.configure_logs(Settings(), "beat-1")
    thread = threading.Thread(target=defect)
    thread.start()
    thread.join()
    (line,) = map(json.loads, capsys.readouterr().err.splitlines())

    assert (line["level"], line["role"]) == ("critical", "beat-1")
    assert "ValueError: impossible" in line["error"]


@pytest.mark.usefixtures("_logging_restored")
def test_every_log_line_is_json_with_the_role(capsys: pytest.CaptureFixture[str]) -> None:
    """Warnings of libraries included; one stream of many processes can be told apart."""
    logging.captureWarnings(capture=False)  # a Celery worker in this process captures them for good
    with warnings.catch_warnings():
        named = Settings.from_environ({"COALMINE_CLUSTER_NAME": "eu-1"})
        startup.configure_logs(named, "routing-1")
        logging.getLogger("tasks.reconcile.route").warning(
            "route not applied", extra={"canary": "a.b"}
        )
        warnings.simplefilter("always")
        warnings.warn("old thing", DeprecationWarning, stacklevel=1)
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [(line["role"], line["cluster"]) for line in lines] == [("routing-1", "eu-1")] * 2
    assert lines[0]["msg"] == "route not applied"
    assert "old thing" in lines[1]["msg"]


@pytest.mark.usefixtures("_logging_restored")
def test_the_queues_own_lines_per_message_are_for_debugging() -> None:
    """At info, a tick is not two lines of Celery's."""
    with warnings.catch_warnings():
        startup.configure_logs(Settings(), "report-1")

    assert not logging.getLogger("celery.app.trace").isEnabledFor(logging.INFO)
    assert logging.getLogger("celery.app.trace").isEnabledFor(logging.WARNING)
    assert logging.getLogger("scheduler.loop").isEnabledFor(logging.INFO)


def test_no_door_to_kubernetes_refuses_everything() -> None:
    """A hook worker that asks for something by mistake learns it at once."""
    kube = NoKube()
    for call in (
        lambda: kube.get(CANARIES, "shop", "podinfo"),
        lambda: kube.create(CANARIES, "shop", {}),
        lambda: kube.replace(CANARIES, "shop", "podinfo", {}),
        lambda: kube.patch(CANARIES, "shop", "podinfo", {}),
        lambda: kube.delete(CANARIES, "shop", "podinfo"),
    ):
        with pytest.raises(errors.Permanent, match="does not talk to Kubernetes"):
            call()


def test_a_worker_does_not_start_on_the_redis_of_another_installation(clock: ManualClock) -> None:
    """R-83: it took the messages of the other one, and brought about there what it had decided."""
    store = DirectStore(memory_redis.connect(), clock.now)
    ours = startup.realm(Settings(), lambda: {"metadata": {"uid": "c1"}})
    startup.check_realm(store, ours, clock)
    store.acquire(f"beat {ours}", timedelta(seconds=5))
    startup.check_realm(store, ours, clock)
    startup.check_realm(store, startup.realm(Settings()), clock)

    staging = startup.realm(Settings(), lambda: {"metadata": {"uid": "c2"}})
    one_namespace = startup.realm(replace(Settings(), kubernetes=KubernetesSettings(namespace="a")))
    for theirs, words in ((staging, "another cluster"), (one_namespace, "not namespaces a: give")):
        with pytest.raises(exits.Unusable, match=words):
            startup.check_realm(store, theirs, clock)


@pytest.mark.parametrize("refusal", [errors.Permanent("no", status=403), errors.NotFound("none")])
def test_a_cluster_that_cannot_be_told_keeps_nobody_from_work(refusal: errors.ClientError) -> None:
    """A right more is not worth it: the namespaces are compared all the same."""

    def look() -> None:
        raise refusal

    assert startup.realm(Settings(), look) == Realm("*", "?")


def test_what_stays_is_left_alone_by_the_garbage_collector() -> None:
    """A collection that looks through all imports stops all threads for a tenth of a second."""
    staying = [[number] for number in range(1000)]
    before = gc.get_freeze_count()
    try:
        startup.settle()
        assert gc.get_freeze_count() >= before + len(staying)
        assert not any(each is staying for each in gc.get_objects())
    finally:
        gc.unfreeze()  # what other tests leave is looked through again
