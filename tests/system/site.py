"""A namespace with Coalmine at work in it, and the applications that a test releases there."""

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from config.refs import CanaryRef
from tests.services import deployments
from tests.services.cluster import ControlPlane, Refused
from tests.services.deployments import Pods, StatusWriter
from tests.system import history as histories
from tests.system import manifests, meters, processes, webhooks
from tests.system.history import History, Sighting
from tests.system.manifests import Manifest
from tests.system.meters import Meters
from tests.system.processes import Processes, Start
from tests.system.webhooks import Receiver

T = TypeVar("T")

MERGE: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
AT_REST: Final = ("Initialized", "Succeeded", "Failed")


@dataclass(frozen=True)
class Site:
    """Everything that a system test touches; `namespace` is where its applications are."""

    plane: ControlPlane
    namespace: str
    processes: Processes
    meters: Meters
    receiver: Receiver
    pods: StatusWriter
    history: History

    def app(self, name: str) -> "App":
        """A handle on the application `name`, deployed or not."""
        return App(self, name)

    def pause(self, seconds: float) -> None:
        """Lets `seconds` pass."""
        time.sleep(seconds)

    def until(self, reached: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Returns once `reached`; fails the test after `seconds`, with their last words."""
        deadline = time.monotonic() + seconds
        while not reached():
            if time.monotonic() > deadline:
                log = self.processes.log()
                raise AssertionError(f"not within {seconds:g} s: {what}\n{log}\n{self._stored()}")
            time.sleep(0.05)

    def _stored(self) -> str:
        """All that is in Redis about rollouts, for a failure's message."""
        store = self.processes.store
        return "\n".join(
            f"--- {ref}, due {due}: {store.read(ref)}" for ref, due in store.agenda().items()
        )


@dataclass(frozen=True)
class App:
    """One application: a Deployment, its Canary, and what Coalmine made of them."""

    site: Site
    name: str

    # --- what a user does

    def deploy(self, canary: Manifest | None = None, deployment: Manifest | None = None) -> "App":
        """Itself, initialized: Deployment and Canary were applied, the primary serves."""
        self.apply(deployment or manifests.a_deployment(self.name))
        self.apply(canary or manifests.a_canary(self.name))
        return self.until("Initialized")

    def apply(self, manifest: Manifest) -> Manifest:
        """The object after a server-side apply."""
        return self.site.plane.apply(manifest, self.site.namespace)

    def release(self, image: str) -> None:
        """Puts another image into the Deployment, as a pipeline does."""
        self.change(
            [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
        )

    def edit(self, patch: Mapping[str, Any], resource: str = "canaries") -> Manifest:
        """The object of the application's name after a merge patch."""
        return self.site.plane.request("PATCH", self.path(resource), patch, content_type=MERGE)

    def change(self, patch: Sequence[Mapping[str, Any]], resource: str = "deployments") -> Manifest:
        """The object of the application's name after a JSON patch."""
        return self.site.plane.request("PATCH", self.path(resource), patch, content_type=JSON_PATCH)

    def a_hook(self) -> Manifest:
        """A webhook for the manifest of the Canary, at whose call `standing` holds a release."""
        url = self.site.receiver.url(f"/{self.name}")
        return {"name": "load", "url": url, "timeout": "60s"}

    @contextlib.contextmanager
    def standing(self, image: str, weight: int) -> Iterator[None]:
        """A release of `image` that stands still at `weight` for the length of the block.

        `a_hook` is not answered meanwhile: however slow the test is, the release is no further.
        """
        stands, goes_on = threading.Event(), threading.Event()

        def hold() -> None:
            if self.weight() == weight:
                stands.set()
                goes_on.wait()

        self.site.receiver.meanwhile(f"/{self.name}", hold)
        self.release(image)
        try:
            self.site.until(stands.is_set, f"{self.name} at weight {weight}")
            yield
        finally:
            self.site.receiver.meanwhile(f"/{self.name}", lambda: None)
            goes_on.set()

    # --- what there is now

    def path(self, resource: str, name: str | None = None) -> str:
        """The URL path of an object; of the application's own name unless another is given."""
        root = {**histories.WATCHED, "destinationrules": histories.WATCHED["virtualservices"]}
        prefix = root.get(resource, "/api/v1")
        return f"{prefix}/namespaces/{self.site.namespace}/{resource}/{name or self.name}"

    def get(self, resource: str, name: str | None = None) -> Manifest:
        """The object; raises Refused when there is none."""
        return self.site.plane.request("GET", self.path(resource, name))

    def status(self) -> Mapping[str, Any]:
        """The status of the Canary; empty before the first one."""
        status: Mapping[str, Any] = self.get("canaries").get("status") or {}
        return status

    def condition(self, kind: str) -> Mapping[str, Any]:
        """One condition of the Canary; empty when there is none of this type."""
        found = [one for one in self.status().get("conditions") or () if one["type"] == kind]
        return found[0] if found else {}

    def image(self, *, primary: bool) -> str:
        """The image that the primary, or the target, is to run."""
        deployment = self.get("deployments", f"{self.name}-primary" if primary else self.name)
        return str(deployment["spec"]["template"]["spec"]["containers"][0]["image"])

    def weight(self) -> int:
        """The percent of traffic that the VirtualService gives the canary now."""
        return canary_weight(self.get("virtualservices"))

    def events(self) -> list[tuple[str, str]]:
        """Type and message of every event about the Canary, in the order of their making."""
        uid = self.get("canaries")["metadata"]["uid"]
        path = f"/api/v1/namespaces/{self.site.namespace}/events"
        items = self.site.plane.request("GET", f"{path}?fieldSelector=involvedObject.uid={uid}")
        made = sorted(items["items"], key=lambda one: int(one["metadata"]["resourceVersion"]))
        return [(one["type"], one["message"]) for one in made]

    def messages(self, kind: str | None = None) -> list[str]:
        """The messages of `events`, of one type if given."""
        return [message for of_kind, message in self.events() if kind in (None, of_kind)]

    def timeline(self) -> Sequence[Mapping[str, Any]]:
        """What was decided about the Canary, oldest first."""
        return self.site.processes.store.timeline(CanaryRef(self.site.namespace, self.name))

    # --- what there was

    def seen(self, resource: str, name: str | None = None) -> list[Sighting]:
        """Every version of an object of this application since the site was opened.

        Up to the one that a read gives now: the watch is shown it some time after a reader.
        """
        name = name or self.name
        versions = partial(self.site.history.of, resource, name)
        with contextlib.suppress(Refused):
            now = int(self.get(resource, name)["metadata"]["resourceVersion"])
            shown = f"the watch shows {resource} {name} of version {now}"
            self.site.until(lambda: any(one.version >= now for one in versions()), shown)
        return versions()

    def phases(self) -> list[str]:
        """The phases that a watch showed, in order, each once in a row."""
        found = [one.object.get("status", {}).get("phase", "") for one in self.seen("canaries")]
        return _in_a_row(found)

    def weights(self) -> list[int]:
        """The canary weights that a watch showed on the VirtualService, each once in a row."""
        return _in_a_row(canary_weight(one.object) for one in self.seen("virtualservices"))

    # --- waiting

    def until(self, phase: str, seconds: float = 60) -> "App":
        """Itself in `phase`; `until_done`, too, when that ends a rollout."""
        what = f"{self.name} is {phase}"
        self.site.until(lambda: self.status().get("phase") == phase, what, seconds)
        return self.until_done() if phase in AT_REST else self

    def until_done(self) -> "App":
        """Itself, once all that was decided is told, written and shown."""
        self.site.until(self._has_told_all, f"the events of {self.name} are delivered")
        self.site.until(self._has_written_all, f"the objects of {self.name} are as wanted")
        return self

    def until_event(self, text: str) -> None:
        """Returns once there is an event whose message contains `text`."""
        self.site.until(
            lambda: any(text in message for message in self.messages()),
            f"an event about {self.name}: {text}",
        )

    def until_weight(self, weight: int, seconds: float = 60) -> None:
        """Returns once a watch shows that the canary has `weight` percent, or had on its way up."""
        self.site.until(
            lambda: weight in _since_it_rose(self.weights()),
            f"{self.name} at weight {weight}",
            seconds,
        )

    def _has_written_all(self) -> bool:
        """Whether route, workloads and status are those of the last decision."""
        snapshot = self.site.processes.store.read(CanaryRef(self.site.namespace, self.name))
        if (state := snapshot.state) is None:
            return False
        confirmed = snapshot.confirmed.about(state["uid"])
        wanted = (state["route"]["seq"], state["workload"]["seq"], snapshot.version)
        done = (confirmed.route_seq, confirmed.workload_seq, confirmed.status_version)
        return all(each >= int(seq) for each, seq in zip(done, wanted, strict=True))

    def _has_told_all(self) -> bool:
        ref = CanaryRef(self.site.namespace, self.name)
        state = self.site.processes.store.read(ref).state or {}
        return not state.get("epilogue") and not self.site.processes.store.undelivered(ref)[0]


def canary_weight(virtual_service: Mapping[str, Any]) -> int:
    """The weight of the second destination of the first HTTP rule, which is the canary's.

    Raises AssertionError when the weights of that rule do not add up to 100.
    """
    primary, canary = (one["weight"] for one in virtual_service["spec"]["http"][0]["route"])
    assert primary + canary == 100, virtual_service["spec"]
    return int(canary)


def _since_it_rose(weights: Sequence[int]) -> Sequence[int]:
    """The last of `weights` that is 0, if that is the last of all; else those that came after."""
    *_, last = (index for index, weight in enumerate([0, *weights]) if weight == 0)
    return weights[last:] or weights[-1:]


def _in_a_row(values: Iterable[T]) -> list[T]:
    return [value for value, _ in itertools.groupby(values)]


@contextlib.contextmanager
def opened(
    plane: ControlPlane,
    folder: Path,
    pods: Pods = deployments.none_needed,
    start: Start | None = None,
    /,
    *,
    server: str | None = None,
    entry: str = "cli",
    namespace: str | None = None,
    **settings: str,
) -> Iterator[Site]:
    """A site of its own namespace for the length of the block, new unless given; files in `folder`.

    `settings` are Coalmine's, by the name of their variable without COALMINE_; `server` is the
    API server's URL for Coalmine when that is not to be asked directly. The processes
    are started by the module `entry`, or by `start`; `pods` runs what Deployments ask for.
    """
    start = start or partial(processes.at_work, server=server, entry=entry)
    namespace = namespace or plane.create_namespace()
    with (
        meters.running() as measured,
        webhooks.running() as receiver,
        deployments.made_ready(plane, namespace, pods) as writer,
        histories.recorded(plane, namespace) as history,
    ):
        variables = {
            "METRICS_SERVER": measured.url,
            "MIN_INTERVAL": "1s",
            "NAMESPACE": namespace,
            **settings,
        }
        environ = {f"COALMINE_{name}": value for name, value in variables.items()}
        with start(plane, folder, environ) as started:
            yield Site(plane, namespace, started, measured, receiver, writer, history)
