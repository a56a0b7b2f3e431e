"""Everything Coalmine keeps in Redis, behind one door.

`Store` is put together from parts by whom they serve; code that needs one part only should ask
for that (`agenda.Agenda`, `leases.Leases`, ...). The keys are in `keys`, the scripts in `lua/`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from clients import redis_server
from clients.agenda import Agenda
from clients.leases import Leases
from clients.notices import Notices
from clients.records import Begun as Begun
from clients.records import Claimed as Claimed
from clients.records import Commit as Commit
from clients.records import Notice as Notice
from clients.records import Snapshot as Snapshot
from clients.records import Work as Work
from clients.rollouts import Rollouts
from config.setting_groups import RedisSettings


class Store(Rollouts, Agenda, Leases, Notices):
    """The rollouts, the agenda, the leases and the notices of one installation.

    Safe to share by threads. Raises the kinds of `clients.errors` alone: Transient while the
    server is away or unwell, Permanent when it refuses us.
    """


def connect_store(settings: RedisSettings, now: Callable[[], datetime] | None = None) -> Store:
    """The store that `settings` name; it connects at its first use.

    Whether the server suits is asked separately (`redis_server.check_server`), so that a process
    can start before its Redis does. Raises ValueError for a URL that `redis_server.connect` does
    not know, SettingsError for none.
    """
    return Store(redis_server.connect(settings.state_url()), now)
