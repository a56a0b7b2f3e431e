"""How Redis' clock has leapt: what was written by it before is carried along.

Without this an hour that nobody has lived through would spend deadlines and shorten steps, and one
that is counted twice would keep everybody waiting. Written by `keep_time.lua`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from config import moments


@dataclass(frozen=True, slots=True)
class Leaps:
    """The sum of all leaps so far, forward as well as back, and the `last` one."""

    total: timedelta = timedelta(0)
    last: timedelta = timedelta(0)
    noticed: datetime = moments.EPOCH

    @staticmethod
    def decode(said: str) -> Leaps:
        """What `<last now> <total> <last> <noticed>` tells; no leaps by any other text."""
        told = _FORM.fullmatch(said)
        if told is None:
            return NO_LEAPS
        total, last, noticed = map(int, told.groups())
        milliseconds = timedelta(milliseconds=1)
        return Leaps(total * milliseconds, last * milliseconds, moments.at(noticed))

    def carried(self, moment: datetime, now: datetime) -> datetime:
        """`moment`, of which it is not known by which clock it was written, as of `now`.

        What cannot be of the present clock is of the one before: nothing was written while it
        leapt forward, nor in times to come.
        """
        is_before = self.noticed - self.last >= moment
        is_former = is_before if self.last > timedelta(0) else moment > now
        return moment + self.last if is_former else moment


NO_LEAPS: Final = Leaps()
_FORM: Final = re.compile(r"\d+ (-?\d+) (-?\d+) (\d+)")
