"""Where the metrics of a process are, told to a Prometheus of the same machine.

Source: Prometheus documentation, "file_sd_config".
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path

from cli import exits


@contextlib.contextmanager
def told(folder: str | None, name: str, port: int) -> Iterator[None]:
    """A block in which `folder`, if any, has a file: the process `name` answers on `port`.

    Raises Unusable when none can be written there.
    """
    if folder is None:
        yield
        return
    file = Path(folder) / f"{name}.json"
    target = {"targets": [f"127.0.0.1:{port}"], "labels": {"process": name}}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".tmp")
        unfinished.write_text(json.dumps([target]), "utf-8")
        unfinished.replace(file)
    except OSError as error:
        raise exits.Unusable(f"--targets-dir: {error}") from error
    try:
        yield
    finally:
        file.unlink(missing_ok=True)
