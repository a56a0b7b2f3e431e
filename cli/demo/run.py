"""Plays the demo: set the stage, apply, release, watch, judge."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from rich.console import Console

from cli import exits
from cli.demo import scene, stage, story, view
from cli.demo.scene import Scene, Standing
from cli.demo.stage import Stage
from clients import errors
from clients.clock import Clock, SystemClock
from clients.kube import connect
from clients.kube.resources import CANARIES, DEPLOYMENTS, NAMESPACES
from clients.redis.store import connect_store
from config.settings.settings import Settings

LOOK_SECONDS: Final = 0.4
INITIALIZED_WITHIN: Final = 60.0
ENDED_WITHIN: Final = 90.0
ENDS: Final = ("Succeeded", "Failed")
SETTLE_SECONDS: Final = 5.0
"""For the last events and route writes to arrive, once all phases have ended."""

_RESOURCES: Final = {"Namespace": NAMESPACES, "Deployment": DEPLOYMENTS, "Canary": CANARIES}


def run(environ: Mapping[str, str], *, keep: bool, flower_port: int, plain: bool) -> int:
    """The exit code: 0 when all three releases ended as they should.

    `keep` stays up until Ctrl-C, `plain` writes lines instead of a live view; port 0: any free one.
    """
    console, clock = Console(), SystemClock()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _interrupt)
    began = clock.monotonic()
    try:
        with stage.set_up(environ, flower_port, clock) as ready:
            with view.showing(console, live=console.is_terminal and not plain) as show:
                demo = Demo(ready, show, clock, began)
                results = demo.play()
            view.summary(console, results, demo.seconds())
            well = not any(result.faults for result in results)
            if not well:
                view.say(console, f"\nThe last lines of the log:\n{ready.log_tail()}")
            if keep:
                _keep(ready, console, clock)
            return exits.OK if well else exits.FAILED
    except stage.Broken as broken:
        view.say(console, f"coalmine demo: {broken}")
        return exits.FAILED


def _interrupt(number: int, frame: object) -> None:
    del number, frame
    raise KeyboardInterrupt


class Demo:
    """One performance."""

    def __init__(self, ready: Stage, show: view.Show, clock: Clock, began: float) -> None:
        """`began` is when the demo was started, on the monotonic clock."""
        self._stage = ready
        self._show = show
        self._clock = clock
        self._began = began
        self._kube = connect.connect(role="demo", kubeconfig=ready.kubeconfig, clock=clock)
        settings = Settings.from_environ({"COALMINE_REDIS_URL": ready.redis_url})
        self._scene = Scene(self._kube, connect_store(settings.redis))
        self._ended: dict[story.Act, float] = {}

    def seconds(self) -> float:
        """Since the demo began."""
        return self._clock.monotonic() - self._began

    def play(self) -> tuple[view.Result, ...]:
        """How each act ended, or stands when its time is up."""
        for act in story.ACTS:
            self._apply(act)
        self._until(
            lambda all_: all(each.phase == "Initialized" for each in all_),
            "three applications are applied, waiting for their primaries",
            INITIALIZED_WITHIN,
        )
        released = self.seconds()
        for act in story.ACTS:
            self._kube.patch(DEPLOYMENTS, act.ref.namespace, act.ref.name, act.release())
        heading = "new images are released, traffic moves step by step"
        self._until(self._all_ended, heading, ENDED_WITHIN)
        results = self._results(released)
        deadline = self.seconds() + SETTLE_SECONDS
        while any(each.faults for each in results) and self.seconds() < deadline:
            self._clock.sleep(LOOK_SECONDS)
            results = self._results(released)
        return results

    def _apply(self, act: story.Act) -> None:
        """Creates the objects of `act`; those that are there already are left alone."""
        for manifest in act.manifests():
            try:
                namespace = manifest["metadata"].get("namespace")
                self._kube.create(_RESOURCES[manifest["kind"]], namespace, manifest)
            except errors.AlreadyExists:
                continue

    def _results(self, released: float) -> tuple[view.Result, ...]:
        standings = self._scene.look(story.ACTS)
        self._show("all rollouts have ended", self.seconds(), standings)
        return tuple(
            view.Result(
                standing,
                self._ended.get(standing.act, self.seconds()) - released,
                scene.faults(standing, self._scene.ending(standing.act)),
            )
            for standing in standings
        )

    def _all_ended(self, standings: Sequence[Standing]) -> bool:
        for standing in standings:
            if standing.phase in ENDS:
                self._ended.setdefault(standing.act, self.seconds())
        return len(self._ended) == len(standings)

    def _until(
        self, reached: Callable[[Sequence[Standing]], bool], heading: str, within: float
    ) -> None:
        """Looks and shows until `reached`, or until `within` seconds have passed."""
        deadline = self.seconds() + within
        while self.seconds() < deadline:
            self._stage.check()
            try:
                standings = self._scene.look(story.ACTS)
            except errors.Transient:
                standings = ()
            if standings:
                self._show(heading, self.seconds(), standings)
                if reached(standings):
                    return
            self._clock.sleep(LOOK_SECONDS)


def _keep(ready: Stage, console: Console, clock: Clock) -> None:
    """Stays up until Ctrl-C, which is how it should end. Raises Broken if it ends otherwise."""
    lines = (
        "",
        "The demo stays up until Ctrl-C. To play with:",
        f"  Flower   {ready.flower_url}",
        f"  logs     tail -f {ready.log}",
        f"  watch    kubectl --kubeconfig {ready.kubeconfig} get canaries -A -w",
        f"  look     coalmine status shop/podinfo -w --kubeconfig {ready.kubeconfig} \\",
        f"             --server {ready.server_url()}",
        f"  release  kubectl --kubeconfig {ready.kubeconfig} -n shop \\",
        "             set image deployment/podinfo podinfod=ghcr.io/stefanprodan/podinfo:6.0.2",
        "  bad ones, to see them rolled back: the same with the tag",
        *(f"           {tag:20} {about}" for tag, about in story.BAD_TAGS.items()),
    )
    view.say(console, "\n".join(lines))
    try:
        while True:
            ready.check()
            clock.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        view.say(console, "ending …")
