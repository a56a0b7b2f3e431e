"""Scales the target of a canary as intended; one that runs keeps its number of replicas."""

from __future__ import annotations

from dataclasses import dataclass

from clients import errors
from clients.documents import world as worlds
from clients.documents.world import WorkloadView
from clients.kube.protocol import Object
from config.scaling import CanaryScale
from workloads import scalers
from workloads.live import Live


@dataclass(frozen=True, slots=True)
class Scaling:
    """One try to bring the target to a scale."""

    live: Live
    wanted: CanaryScale

    def bring_about(self) -> None:
        """Writes the target where it is not as wanted."""
        self.live.again_after_conflicts(self._scale)

    def _scale(self) -> None:
        live, name = self.live, self.live.canary.spec.target_ref.name
        target = live.target or live.look(worlds.TARGET, name)
        match self.wanted, target.replicas:
            case CanaryScale.ZERO, replicas if replicas:
                self._set(target, 0, f"{live.named(name)} patch query error")
            case CanaryScale.RUNNING, 0:
                self._scale_up(target, self._first_replicas())
            case CanaryScale.RESTORED, replicas if replicas < self._served_by():
                self._scale_up(target, self._served_by())

    def _scale_up(self, target: WorkloadView, replicas: int) -> None:
        doing = f"scaling up {target.name}.{self.live.canary.namespace} to {replicas} failed"
        self._set(target, replicas, doing)

    def _set(self, target: WorkloadView, replicas: int, doing: str) -> None:
        making = self.live.making
        raw = self._read_as_seen(target) if making.is_scaled_as_read else {}
        self.live.change(worlds.TARGET, target, making.scaled(replicas, raw), doing)

    def _first_replicas(self) -> int:
        """How many a canary begins with: its autoscaler's fewest, else as many as the primary."""
        scaler = scalers.of(self.live.canary)
        if scaler is not None:
            return scaler.fewest(self.live.world.scaler)
        primary = self.live.primary
        return (primary.replicas if primary else 0) or 1

    def _served_by(self) -> int:
        """How many a target needs that is to serve everything: as many as served it until now.

        Its autoscaler, where there is one, finds out by itself whether fewer will do.
        """
        primary, scaler = self.live.primary, scalers.of(self.live.canary)
        fewest = scaler.fewest(self.live.world.scaler) if scaler else 1
        return max(primary.replicas if primary else 0, fewest)

    def _read_as_seen(self, target: WorkloadView) -> Object:
        """The live target. Raises Conflict for one that was edited since it was seen."""
        raw, view = self.live.read(target.name)
        if (view.uid, view.generation) != (target.uid, target.generation):
            self.live.observed[worlds.TARGET] = view
            raise errors.Conflict(f"{self.live.named(target.name)} was edited")
        return raw
