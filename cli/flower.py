"""`coalmine flower`: Flower, the web view of workers and tasks, and who may see it.

Whoever reaches Flower can stop workers, and reads the names of all canaries. So it is served
without a password on the loopback interface only.
"""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Callable, Mapping
from typing import Final

from cli import exits, startup
from clients.clock import SystemClock
from config.settings.settings import Settings
from tasks.app import make_app

log = logging.getLogger(__name__)

BASIC_AUTH: Final = "FLOWER_BASIC_AUTH"
"""Flower's own variables: `user:password`, several with commas between; or a sign-in elsewhere."""
SIGN_IN: Final = ("FLOWER_AUTH", "FLOWER_AUTH_PROVIDER")

COLUMNS: Final = "name,args,result,state,received,runtime,worker"
"""What the list of tasks shows: which canaries each was about, and what came of it."""

_COLUMNS_VARIABLE: Final = "FLOWER_TASKS_COLUMNS"


def run(settings: Settings, environ: Mapping[str, str], name: str, address: str, port: int) -> int:
    """The exit code, once Flower was told to end.

    Raises PortTaken, and Unusable for an address that others reach without a password.
    """
    refuse_strangers(address, environ)
    startup.configure_logs(settings, name)
    exits.check_free(address, port, "--flower-port")  # Flower itself would end with a traceback
    startup.wait_for_redis(settings, SystemClock())
    log.info("flower served", extra={"url": f"http://{address}:{port}"})
    words = ["--quiet", "flower", f"--address={address}", f"--port={port}", "--logging=none"]
    if _COLUMNS_VARIABLE not in environ:
        words.append(f"--tasks_columns={COLUMNS}")
    # Comes back when Flower has ended, although its stub says that it never does.
    start: Callable[[list[str]], object] = make_app(settings).start
    start(words)
    return exits.OK


def refuse_strangers(address: str, environ: Mapping[str, str]) -> None:
    """Raises Unusable when others than this machine would reach `address` without a password."""
    if _is_loopback(address) or all(environ.get(each) for each in SIGN_IN):
        return
    users = environ.get(BASIC_AUTH, "").split(",")
    if all(_is_complete(user) for user in users):
        return
    text = f"--address {address}: whoever reaches Flower can stop workers"
    remedy = f"set {BASIC_AUTH}=user:password, or {' and '.join(SIGN_IN)}, as Flower has them"
    raise exits.Unusable(f"{text}: {remedy}; or leave it at a loopback address")


def _is_complete(user: str) -> bool:
    name, _, password = user.partition(":")
    return bool(name.strip() and password.strip())


def _is_loopback(address: str) -> bool:
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False  # a name that may lead anywhere, or empty: all interfaces
