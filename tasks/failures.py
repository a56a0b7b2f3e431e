"""What the failure of a nudge means, whether it was about one canary or about one of several."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from clients import errors
from config.refs import CanaryRef

log = logging.getLogger(__name__)


def tell_of(ref: CanaryRef, failure: Exception, doubt: Callable[[], None]) -> None:
    """Logs a failure of the work on one canary among others, which went on."""
    if isinstance(failure, errors.ClientError):
        tell(failure, doubt, canary=ref.dotted)
    else:
        extra = {"canary": ref.dotted, "kind": type(failure).__name__}
        log.error("defect", extra=extra, exc_info=failure)


def shown(failure: Exception) -> str:
    """What is said of it in few words; of a defect, no more than that the log knows."""
    if isinstance(failure, errors.ClientError):
        return f"failed: {failure.message}"
    return f"a defect, {type(failure).__name__}: see the log"


def tell(failure: errors.ClientError, doubt: Callable[[], None], **about: Any) -> None:
    """Logs what the next nudge will mend, `about` whom; `doubt` hears of what others may meet."""
    extra = {**about, "kind": type(failure).__name__, "error": failure.message}
    log.warning("nudge came to nothing", extra=extra)
    if errors.concerns_all(failure):
        doubt()
