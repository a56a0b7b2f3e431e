"""`python -m tests.chaos.shifted`: as `coalmine`, on a machine whose clock is wrong for one member.

What goes by the machine's clock are the logs and what Celery's transport takes for overdue:
messages that another worker has just reserved. Leases and due times go by Redis.
"""

import sys
import time
from datetime import UTC, datetime
from typing import Final

MEMBER: Final = "analysis-2"
AHEAD_SECONDS: Final = 3600.0

_time: Final = time.time


def main() -> int:
    """The exit code of the command; the clock is wrong before anybody has asked for the time."""
    if MEMBER in sys.argv:
        time.time = lambda: _time() + AHEAD_SECONDS
    from cli import main as command  # noqa: PLC0415 (libraries bind `time.time` when imported)
    from clients.clock import SystemClock  # noqa: PLC0415 (as above)

    def now(self: SystemClock) -> datetime:
        return datetime.fromtimestamp(time.time(), UTC)

    SystemClock.now = now  # type: ignore[method-assign]
    return command.main()


if __name__ == "__main__":
    sys.exit(main())
