"""The stage: a cluster, the whole of Coalmine, and the hand that delivers its messages."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from redis import Redis

from analysis import recorded
from analysis import state as states
from analysis.findings import HookResult
from analysis.state import RolloutState
from clients import errors
from clients.clock import ManualClock
from clients.instruments import SILENT, Instruments
from clients.kube import resources
from clients.kube.protocol import Object
from clients.kube.resources import Resource
from clients.redis.records import Call, Kept
from config.ranks import Rank
from config.refs import CanaryRef
from config.settings.settings import Settings
from config.traffic import RouteStage, TrafficSplit
from routing import services
from routing.router import UnreadableRoute, split_in_force
from sandbox.apiserver.objects import Key
from scheduler import wiring as scheduling
from tasks import gather, wiring
from tasks.batch import Reader
from tasks.caller import Poster
from tasks.queues import Dispatcher
from tasks.registries import BUILT_IN, Registries
from tasks.sending import Send
from tasks.teller import Teller
from tasks.wiring import Services
from tests.fakes import memory_redis
from tests.fakes.kube import Door, FakeKube
from tests.stage.bag import Bag, Message
from tests.stage.beat import Beat
from tests.stage.chats import Chats
from tests.stage.kubelet import Kubelet
from tests.stage.measuring import Hooks, InlineThreads, Meters, Silent
from tests.stores import DirectStore

START: Final = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
REF: Final = CanaryRef("shop", "cart")

Late = tuple[Call, HookResult]
"""A call that is being made, and what it will be answered."""

Fate = Callable[[Bag], None]
"""What becomes of the next message: a test's choice to deliver, repeat, reorder or lose it."""


class Stage:
    """One cluster with Coalmine on it; nothing happens but by `step`, `settle` and `run`."""

    def __init__(
        self,
        *,
        ready_after: timedelta = timedelta(seconds=3),
        redis: "Redis[str] | None" = None,
        dispatcher: Dispatcher | None = None,
        poster: Poster | None = None,
        registries: Registries = BUILT_IN,
        settings: Settings | None = None,
        measuring: bool = False,
        ref: CanaryRef = REF,
        start: datetime = START,
        send: Send | None = None,
        tell: Instruments = SILENT,
    ) -> None:
        """`measuring` has checks measured by the real reader instead of `meters`.

        `ref` is the canary that is looked at where no other is named; `send` posts alerts in the
        place of `chats`.
        """
        self.ref = ref
        self.registries = registries
        self.clock = ManualClock(start)
        self.kube = FakeKube(self.clock)
        self.redis = redis or memory_redis.connect()
        self.store = DirectStore(self.redis, self.clock.now)
        self.meters, self.hooks, self.bag = Meters(), Hooks(), Bag()
        self.dispatcher: Dispatcher = dispatcher or self.bag
        self.settings = settings or Settings()
        self.kubelet = Kubelet(self.kube, self.clock, ready_after)
        self.door = Door(self.kube, self.clock)
        self.weights: list[int] = []
        self._noted = 0
        self.late: list[Late] = []
        self.losing: set[str] = set()
        watching = scheduling.Doors(self.store, self.dispatcher, lambda: self.kube, self.clock)
        self.beat = Beat(self.settings, watching, self.kube, registries)
        poster = poster or self.hooks
        reader: Reader = self.meters
        if measuring:
            reader = wiring.metric_reader(self.settings, self.clock, self.door, registries)
        self.chats = Chats(self.clock)
        doors = wiring.Doors(
            *(self.store, self.door, reader, poster, self.dispatcher, self.clock),
            send=send or self.chats,
            instruments=tell,
        )
        self.services = self._wired(wiring.wire(self.settings, doors, registries))

    def _wired(self, services: Services) -> Services:
        """`services`, whose webhooks are called and answered while their message is delivered."""
        inline = replace(
            services.caller,
            threads=InlineThreads(),
            leases=Silent(self.store),
            together=0.0,
        )
        teller = replace(services.teller, threads=InlineThreads())
        services = replace(services, caller=inline, teller=teller)
        return alerting_by(services, replace(services.alerter, threads=InlineThreads()))

    # --- the user's hand

    def create(self, resource: Resource, body: Object) -> None:
        """Applies a new object."""
        self.kube.create(resource, body["metadata"]["namespace"], body)

    def edit(self, resource: Resource, name: str, patch: Mapping[str, Any]) -> None:
        """Merges `patch` into an object of the canary's namespace."""
        self.kube.patch(resource, self.ref.namespace, name, patch)

    def release(self, image: str, *, broken: bool = False, name: str = "cart-app") -> None:
        """Sets the image of a target; pods of a broken release never become ready."""
        annotations = {"test/never-ready": "true" if broken else None}
        template = {
            "metadata": {"annotations": annotations},
            "spec": {"containers": [{"name": "app", "image": image}]},
        }
        self.edit(resources.DEPLOYMENTS, name, {"spec": {"template": template}})

    def edit_canary(self, **spec: Any) -> None:
        """Merges fields into the canary's spec, as `kubectl apply` of an edited manifest does."""
        self.edit(resources.CANARIES, self.ref.name, {"spec": spec})

    def forget_everything(self) -> None:
        """Empties Redis, as its loss would; the leader notices and fills it again."""
        self.redis.flushall()

    def fail_over(self, copy: Mapping[str, bytes]) -> None:
        """Redis comes back as it was when `copy` was made; messages on their way are lost."""
        self.bag.messages.clear()
        memory_redis.fail_over(self.redis, copy)

    # --- time and messages

    def observe(self) -> None:
        """Lets the leader see the cluster as it is, and store it."""
        self.beat.store()
        self._note_weight()

    def claim(self) -> None:
        """Lets the leader enqueue what is due."""
        self.beat.claim()

    def deliver(self, message: Message) -> None:
        """Lets a worker carry out a message; that it comes to nothing is nobody's business.

        Messages of the kinds in `losing` are lost.
        """
        if message.kind in self.losing:
            return
        try:
            self._carry_out(message)
        except errors.ClientError:
            return

    def answer(self, late: Late) -> bool:
        """Lets the worker of a call that took long hear its answer; whether that was kept."""
        call, result = late
        kept = self.store.answer_call(call, result)
        if kept is Kept.LAST:
            self.dispatcher.tick([call.ref], Rank.STEP)
        return kept is not Kept.NO

    def settle(self, *, most: int = 400) -> None:
        """Delivers everything, in order, until nothing is left to do at this moment.

        Raises AssertionError when that takes more than `most` messages.
        """
        for _ in range(most):
            self.kubelet.step()
            self.observe()
            self.claim()
            if self.bag.messages:
                self.deliver(self.bag.messages.pop(0))
            elif self.beat.is_idle:
                return
        raise AssertionError(f"not settled after {most} messages: {self.bag.messages}")

    def advance(self, latest: datetime | None = None) -> None:
        """Moves time to when something happens next, to `latest` if that is earlier."""
        due = [at for at in self.store.agenda().values() if at > self.clock.now()]
        moments = [*due, *(at for at in (self.kubelet.step(), latest) if at)]
        nearest = min(moments, default=self.clock.now() + timedelta(seconds=1))
        self.clock.advance(max(nearest - self.clock.now(), timedelta(milliseconds=1)))

    def wait(self, span: timedelta) -> None:
        """Lets `span` pass, and everything happen that happens meanwhile."""
        end = self.clock.now() + span
        self.settle()
        while self.clock.now() < end:
            self.advance(end)
            self.settle()

    def run(self, until: Callable[["Stage"], bool], *, within: timedelta) -> None:
        """Goes on until `until` holds. Raises AssertionError when it does not within `within`."""
        end = self.clock.now() + within
        self.settle()
        while not until(self):
            if self.clock.now() >= end:
                raise AssertionError(f"not within {within}: {self.state}\n{self.texts()}")
            self.advance()
            self.settle()

    # --- what can be seen

    @property
    def state(self) -> RolloutState:
        """The working state."""
        return self.state_of(self.ref)

    def state_of(self, ref: CanaryRef) -> RolloutState:
        """The working state of one canary of several."""
        stored = self.store.read(ref).state
        assert stored is not None, "no state"
        return states.from_json(stored)

    @property
    def status(self) -> Mapping[str, Any]:
        """The status of the Canary."""
        canary = self.kube.get(resources.CANARIES, self.ref.namespace, self.ref.name)
        status: Mapping[str, Any] = canary.get("status") or {}
        return status

    @property
    def split(self) -> TrafficSplit | None:
        """The split in the live route; None without one that can be read."""
        canary = gather.accepted(self.store.read(self.ref).world)
        if canary is None:
            return None
        router = self.registries.routers.chosen(canary)
        live = {
            managed.role: self._live(managed.resource, managed.name)
            for managed in (
                *services.managed(canary, RouteStage.EXPOSED),
                *router.resources(canary),
            )
        }
        try:
            return split_in_force(router, canary, live)
        except UnreadableRoute:
            return None

    def deployment(self, name: str) -> Mapping[str, Any]:
        """A Deployment as it is."""
        return self.kube.get(resources.DEPLOYMENTS, self.ref.namespace, name)

    def image(self, name: str) -> str:
        """The image of a Deployment."""
        image: str = self.deployment(name)["spec"]["template"]["spec"]["containers"][0]["image"]
        return image

    def texts(self) -> list[str]:
        """The messages of all events delivered, in the order of delivery."""
        told = self.kube.list(resources.EVENTS).items
        return [
            event["message"]
            for event in sorted(told, key=lambda each: int(each["metadata"]["resourceVersion"]))
        ]

    def phase(self, ref: CanaryRef | None = None) -> str:
        """The phase shown; empty before the first report."""
        ref = ref or self.ref
        canary = self.kube.get(resources.CANARIES, ref.namespace, ref.name)
        return str((canary.get("status") or {}).get("phase") or "")

    def shown_version(self) -> int:
        """The version of the state that the status shows."""
        return recorded.version(self.status)

    def condition(self, kind: str) -> Mapping[str, Any]:
        """A condition of the Canary; empty when it has none of that type."""
        conditions = self.status.get("conditions") or ()
        return next((item for item in conditions if item["type"] == kind), {})

    def generation(self, resource: Resource, name: str) -> int:
        """How often the spec of an object was written, its creation included."""
        live = self.kube.get(resource, self.ref.namespace, name)
        return int(live["metadata"]["generation"])

    # --- inside

    def _live(self, resource: Resource, name: str) -> Object | None:
        return self.kube.stored(resource).get(Key(self.ref.namespace, name))

    def _note_weight(self) -> None:
        """Notes the weight of the live route, once for each state of the cluster."""
        revision = self.kube.store.storage.revision
        split = self.split if revision != self._noted else None
        if split is None:
            return
        self._noted = revision
        if not self.weights or self.weights[-1] != split.canary:
            self.weights.append(split.canary)

    def _carry_out(self, message: Message) -> None:
        refs = (message.ref, *message.others)
        match message.kind:
            case "tick":
                self.services.analyst.tick(*refs)
            case "route":
                self.services.route.reconcile(*refs, if_due=message.if_due)
            case "workload":
                self.services.workload.reconcile(*refs, if_due=message.if_due)
            case "status":
                self.services.status.reconcile(*refs, if_due=message.if_due)
            case "call" if message.asked.is_of_events:
                self.services.teller.tell(message.ref)
            case "call" if self.hooks.mute:
                self._call_for_long(message)
            case "call":
                self.services.caller.call(message.asked)
            case other:
                raise AssertionError(f"message {other}")

    def _call_for_long(self, message: Message) -> None:
        """A worker takes a call and gets no answer yet; it gives no sign of life by itself."""
        for taken in self.services.caller.take(message.asked):
            self.late.append((taken.call, self.hooks.post(taken.hook, lambda: True)))


def alerting_by(services: Services, alerter: Teller) -> Services:
    """`services`, whose alerts are told by `alerter`."""
    status = replace(services.status, alert=alerter.tell)
    return replace(services, alerter=alerter, status=status)


def a_deployment(
    image: str = "cart:1", replicas: int = 2, name: str = "cart-app"
) -> dict[str, Any]:
    """The target `cart-app.shop`, or another one of that namespace."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": REF.namespace},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {"containers": [{"name": "app", "image": image}]},
            },
        },
    }


def initialized(manifest: Mapping[str, Any], stage: Stage | None = None) -> Stage:
    """A stage (a new one if None) on which the canary of `manifest` is initialized and at rest."""
    stage = stage or Stage()
    stage.create(resources.DEPLOYMENTS, a_deployment())
    body = {key: value for key, value in manifest.items() if key != "status"}
    metadata = {"name": REF.name, "namespace": REF.namespace}
    stage.create(resources.CANARIES, {**body, "metadata": metadata})
    stage.run(lambda on: on.phase() == "Initialized", within=timedelta(minutes=1))
    return stage
