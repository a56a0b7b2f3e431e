"""Following the objects of one kind: each version of each object, as soon as it is seen."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final

from clients import errors
from clients.kube.protocol import Object, WatchType
from clients.kube.resources import Resource
from clients.kube.rest import KubeHttp

_AT_A_TIME: Final = timedelta(minutes=10)


@contextlib.contextmanager
def followed(kube: KubeHttp, resource: Resource, see: Callable[[Object], None]) -> Iterator[None]:
    """`see` is called with each object of all namespaces, in a thread, during the block.

    Ends `kube`, which is to be used for this and for what ends no later.
    """
    ending = threading.Event()
    arguments = (kube, resource, see, ending)
    thread = threading.Thread(target=_follow, args=arguments, name=resource.plural, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        kube.close()
        thread.join(5)


def _follow(
    kube: KubeHttp, resource: Resource, see: Callable[[Object], None], ending: threading.Event
) -> None:
    while not ending.is_set():
        with contextlib.suppress(errors.ClientError):
            listing = kube.list(resource)
            for item in listing.items:
                see(item)
            for event in kube.watch(resource, None, listing.resource_version, _AT_A_TIME):
                if event.type in (WatchType.ADDED, WatchType.MODIFIED):
                    see(event.object)
