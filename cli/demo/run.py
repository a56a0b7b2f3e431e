"""Plays the demo: set the stage, apply, release, watch, judge."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from rich.console import Console

from cli import exits
from cli.demo import stage, story, verdict, view
from cli.demo.scene import Scene, Standing
from cli.demo.stage import Stage
from clients import errors
from clients.clock import Clock, SystemClock
from clients.kube import connect
from clients.kube.protocol import Kube, Object
from clients.kube.resources import CANARIES, DEPLOYMENTS, NAMESPACES, Resource
from clients.redis.store import connect_store
from config.settings.settings import Settings

LOOK_SECONDS: Final = 0.4
INITIALIZED_WITHIN: Final = 60.0
ENDED_WITHIN: Final = 90.0
ENDS: Final = ("Succeeded", "Failed")
SETTLE_SECONDS: Final = 5.0
"""For the last events and route writes to arrive, once all phases have ended."""

_RESOURCES: Final = {"Namespace": NAMESPACES, "Deployment": DEPLOYMENTS, "Canary": CANARIES}


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the person at the terminal asked for."""

    keep: bool
    flower_port: int
    plain: bool


def run(wishes: Wishes, environ: Mapping[str, str]) -> int:
    """The exit code: 0 when all three releases ended as they should."""
    console = Console()
    signal.signal(signal.SIGTERM, _interrupt)
    signal.signal(signal.SIGINT, _interrupt)
    clock = SystemClock()
    began = clock.monotonic()
    try:
        with stage.set_up(environ, wishes.flower_port, clock) as ready:
            live = console.is_terminal and not wishes.plain
            code = Demo(ready, console, clock, began).play(live=live)
            if code != exits.OK:
                _say(console, f"\nThe last lines of the log:\n{ready.log_tail()}")
            if wishes.keep:
                _keep(ready, console, clock)
            return code
    except stage.Broken as broken:
        _say(console, f"coalmine demo: {broken}")
        return exits.FAILED


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


class Demo:
    """One performance."""

    def __init__(self, ready: Stage, console: Console, clock: Clock, began: float) -> None:
        """`began` is when the demo was started, on the monotonic clock."""
        self._stage = ready
        self._console = console
        self._clock = clock
        self._began = began
        self._kube = connect.connect(role="demo", kubeconfig=ready.kubeconfig, clock=clock)
        settings = Settings.from_environ({"COALMINE_REDIS_URL": ready.redis_url})
        self._scene = Scene(self._kube, connect_store(settings.redis))
        self._ended: dict[str, float] = {}
        self._view: view.View = view.PlainView(console)

    def play(self, *, live: bool) -> int:
        """The exit code of the performance."""
        if live:
            self._view = view.LiveView(self._console)
        try:
            results = self._perform()
        finally:
            self._view.close()
        view.summary(self._console, results, self._seconds())
        return exits.OK if all(not result.faults for result in results) else exits.FAILED

    def _perform(self) -> tuple[view.Result, ...]:
        for act in story.ACTS:
            for manifest in act.manifests():
                create(self._kube, manifest)
        self._until(
            lambda all_: all(each.phase == "Initialized" for each in all_),
            "three applications are applied, waiting for their primaries",
            INITIALIZED_WITHIN,
        )
        released = self._seconds()
        for act in story.ACTS:
            namespace, name = act.ref.namespace, act.ref.name
            self._kube.patch(DEPLOYMENTS, namespace, name, act.release())
        heading = "new images are released, traffic moves step by step"
        self._until(self._all_ended, heading, ENDED_WITHIN)
        results = self._results(released)
        deadline = self._seconds() + SETTLE_SECONDS
        while any(each.faults for each in results) and self._seconds() < deadline:
            self._clock.sleep(LOOK_SECONDS)
            results = self._results(released)
        return results

    def _results(self, released: float) -> tuple[view.Result, ...]:
        standings = self._scene.look(story.ACTS)
        self._view.show("all rollouts have ended", self._seconds(), standings)
        return tuple(
            view.Result(
                standing,
                self._ended.get(str(standing.act.ref), self._seconds()) - released,
                verdict.faults(standing, self._scene.outcome(standing.act)),
            )
            for standing in standings
        )

    def _all_ended(self, standings: Sequence[Standing]) -> bool:
        for standing in standings:
            if standing.phase in ENDS:
                self._ended.setdefault(str(standing.act.ref), self._seconds())
        return len(self._ended) == len(standings)

    def _until(
        self, reached: Callable[[Sequence[Standing]], bool], heading: str, within: float
    ) -> None:
        """Looks and shows until `reached`, or until `within` seconds have passed."""
        deadline = self._seconds() + within
        while self._seconds() < deadline:
            self._stage.check()
            try:
                standings = self._scene.look(story.ACTS)
            except errors.Transient:
                standings = ()
            if standings:
                self._view.show(heading, self._seconds(), standings)
                if reached(standings):
                    return
            self._clock.sleep(LOOK_SECONDS)

    def _seconds(self) -> float:
        return self._clock.monotonic() - self._began


def create(kube: Kube, manifest: Object) -> None:
    """Creates the object of a manifest; one that is there already is left alone."""
    resource: Resource = _RESOURCES[manifest["kind"]]
    try:
        kube.create(resource, manifest["metadata"].get("namespace"), manifest)
    except errors.AlreadyExists:
        return


def _keep(ready: Stage, console: Console, clock: Clock) -> None:
    """Stays up until Ctrl-C, which is how it should end. Raises Broken if it ends otherwise."""
    lines = (
        "",
        "The demo stays up until Ctrl-C. To play with:",
        f"  Flower   {ready.flower_url}",
        f"  logs     tail -f {ready.log}",
        f"  watch    kubectl --kubeconfig {ready.kubeconfig} get canaries -A -w",
        f"  release  kubectl --kubeconfig {ready.kubeconfig} -n shop \\",
        "             set image deployment/podinfo podinfod=ghcr.io/stefanprodan/podinfo:6.0.2",
        "  bad ones, to see them rolled back: the same with the tag",
        *(f"           {tag:20} {about}" for tag, about in story.BAD_TAGS.items()),
    )
    _say(console, "\n".join(lines))
    try:
        while True:
            ready.check()
            clock.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        _say(console, "ending …")


def _say(console: Console, text: str) -> None:
    """Prints `text` as it is."""
    console.print(text, markup=False, highlight=False, soft_wrap=True)
