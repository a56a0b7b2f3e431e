"""No door to Kubernetes: for processes that have no business with it and no credentials for it."""

from __future__ import annotations

from typing import Any, NoReturn

from clients import errors


class NoKube:
    """Refuses every call with Permanent; stands where a `Kube` is asked for and not used."""

    def until(self, deadline: float) -> NoKube:  # noqa: ARG002
        """This: there are no calls to end."""
        return self

    def get(self, *_: Any) -> NoReturn:
        """Raises Permanent."""
        _refuse()

    def create(self, *_: Any) -> NoReturn:
        """Raises Permanent."""
        _refuse()

    def replace(self, *_: Any) -> NoReturn:
        """Raises Permanent."""
        _refuse()

    def patch(self, *_: Any, **__: Any) -> NoReturn:
        """Raises Permanent."""
        _refuse()

    def delete(self, *_: Any, **__: Any) -> NoReturn:
        """Raises Permanent."""
        _refuse()


def _refuse() -> NoReturn:
    raise errors.Permanent("this process does not talk to Kubernetes", reason="NoKubernetes")
