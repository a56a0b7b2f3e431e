"""Autoscalers of targets: one module per kind, one line of the registry each."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from config.api.canary import Canary
from config.api.references import AutoscalerKind
from workloads.scalers import horizontal, keda
from workloads.scalers.scaler import Scaler

__all__ = ["SCALERS", "Scaler", "of"]

SCALERS: Final[Mapping[AutoscalerKind, Scaler]] = MappingProxyType(
    {scaler.name: scaler for scaler in (horizontal.SCALER, keda.SCALER)}
)


def of(canary: Canary) -> Scaler | None:
    """The kind of the canary's autoscaler; None for a canary without one."""
    ref = canary.spec.autoscaler_ref
    return SCALERS[ref.kind] if ref else None
