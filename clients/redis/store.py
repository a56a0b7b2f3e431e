"""Everything Coalmine keeps in Redis, behind one door.

`Store` is put together from parts by whom they serve; keys are in `keys`, scripts in `lua/`.
"""

from __future__ import annotations

from clients.redis import server
from clients.redis.agenda import Agenda
from clients.redis.notices import Notices
from clients.redis.records import Begun as Begun
from clients.redis.records import Claimed as Claimed
from clients.redis.records import Commit as Commit
from clients.redis.records import Snapshot as Snapshot
from clients.redis.records import Work as Work
from clients.redis.rollouts import Rollouts
from config.settings.groups import RedisSettings


class Store(Rollouts, Agenda, Notices):
    """Rollouts, agenda and notices of one installation.

    Safe to share by threads. Raises the kinds of `clients.errors` alone: Transient while the
    server is away or unwell, Permanent when it refuses us.
    """


def connect_store(settings: RedisSettings) -> Store:
    """The store that `settings` name; it connects at its first use.

    Whether the server suits is asked separately (`server.check_server`), so that a process can
    start before its Redis does. Raises as `server.connect`, and SettingsError without a URL.
    """
    return Store(server.connect(settings.state_url()))
