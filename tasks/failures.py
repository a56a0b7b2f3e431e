"""What the failure of a nudge means, whether it was about one canary or about one of several."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from clients import errors

log = logging.getLogger(__name__)


def tell(failure: errors.ClientError, doubt: Callable[[], None], **about: Any) -> None:
    """Logs what the next nudge will mend, `about` whom; `doubt` hears of what others may meet."""
    extra = {**about, "kind": type(failure).__name__, "error": failure.message}
    log.warning("nudge came to nothing", extra=extra)
    if errors.concerns_all(failure):
        doubt()
