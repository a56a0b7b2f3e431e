"""`coalmine get`: reads canaries and shows them, once or as they change.

Apart from the other commands, whose libraries it does not need: it is typed most often.
"""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from rich.text import Text

from cli import exits
from cli.console import facts, layout, names, overview
from cli.console.facts import Facts
from cli.console.follower import Follower
from cli.console.probes import Probes
from cli.console.session import Session
from clients.kube.protocol import Object
from config.refs import CanaryRef

REDRAWN: Final = timedelta(seconds=0.5)


def get(opened: Session, given: Namespace) -> int:
    """The canaries as a table, as documents, or as names."""
    namespace = None if given.all_namespaces else given.namespace or opened.here
    wanted = [names.canary(each, opened.here, given.namespace) for each in given.names]
    places = {ref.namespace for ref in wanted}
    if wanted and not given.all_namespaces:
        namespace = places.pop() if len(places) == 1 else None
    if given.watch and given.output not in {None, "wide"}:
        raise exits.Unusable(f"--watch shows a table: leave out --output {given.output}")
    if given.watch:
        return _watch(opened, given, namespace, wanted)
    items = _chosen(opened.cluster.canaries(namespace), wanted, must=True)
    if given.output in {"json", "yaml"}:
        opened.write(_listing(items, is_one=len(given.names) == 1), given.output)
        return exits.OK
    probes = Probes(opened.cluster, namespace, opened.clock)
    canaries = overview.ordered(list(map(facts.of, items)))
    if given.output == "name":
        opened.show(Text(f"canary.flagger.app/{each.ref.name}") for each in canaries)
    elif canaries:
        opened.show(_rows(opened, given, probes.told(canaries), namespace))
    else:
        where = f"namespace {namespace} (-A: in all)" if namespace else "any namespace"
        print(f"No canaries in {where}.", file=sys.stderr)
    return exits.OK


def _watch(
    opened: Session, given: Namespace, namespace: str | None, wanted: Sequence[CanaryRef]
) -> int:
    follower = Follower(opened.cluster, namespace, opened.clock)
    with follower.running():
        if opened.out.is_terminal:
            probes = Probes(opened.cluster, namespace, opened.clock)
            opened.redraw(lambda: _screen(opened, given, follower, probes, wanted), REDRAWN)
        shown = 0
        while True:
            changed = list(map(facts.of, _chosen(follower.changed(), wanted)))
            changed = changed if shown else overview.ordered(changed)
            rows = _rows(opened, given, changed, namespace) if changed else ()
            opened.show(rows[1:] if shown else rows)
            shown += len(rows)
            opened.out.file.flush()
            opened.clock.sleep(REDRAWN.total_seconds())


def _screen(
    opened: Session,
    given: Namespace,
    follower: Follower,
    probes: Probes,
    wanted: Sequence[CanaryRef],
) -> Sequence[Text]:
    present, size = map(facts.of, _chosen(follower.present(), wanted)), opened.out.size
    canaries = list(present) if follower.trouble else probes.told(present)
    is_all, is_wide = probes.namespace is None, _is_wide(given)
    lines = overview.screen(canaries, opened.now, size, namespaces=is_all, wide=is_wide)
    trouble = Text(f"not up to date: {follower.trouble}", style="red")
    return (*lines, layout.bounded(trouble, opened.width)) if follower.trouble else lines


def _rows(
    opened: Session, given: Namespace, canaries: Sequence[Facts], namespace: str | None
) -> Sequence[Text]:
    return overview.table(
        canaries, opened.now, opened.width, namespaces=namespace is None, wide=_is_wide(given)
    )


def _is_wide(given: Namespace) -> bool:
    return bool(given.output == "wide")


def _chosen(
    items: Sequence[Object], wanted: Sequence[CanaryRef], *, must: bool = False
) -> list[Object]:
    """Those of `items` that are wanted; all of them when none is named.

    Raises Unusable for one that is not there, but `must` be.
    """
    if not wanted:
        return list(items)
    by_ref = {facts.of(item).ref: item for item in items}
    if must and (missing := [str(ref) for ref in wanted if ref not in by_ref]):
        text = f"there is no canary {', '.join(missing)}"
        raise exits.Unusable(f"{text}; `coalmine get -A` lists all that there are")
    return [by_ref[ref] for ref in wanted if ref in by_ref]


def _listing(items: Sequence[Object], *, is_one: bool) -> dict[str, Any]:
    """As kubectl has them, without the bookkeeping of fields."""
    bare = [{**item, "metadata": _without_fields(item["metadata"])} for item in items]
    return bare[0] if is_one else {"apiVersion": "v1", "kind": "List", "items": bare}


def _without_fields(metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "managedFields"}
