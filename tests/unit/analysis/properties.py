"""Property tests that count how often they asserted: one that never does shows nothing."""

from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

EXAMPLES = 100

Check = Callable[..., bool]
"""One example: asserts what holds, and says whether there was something to assert about."""


def holds(*, least: int, **drawn: SearchStrategy[Any]) -> Callable[[Check], Callable[[], None]]:
    """A test that a check holds for whatever is `drawn`, and asserted `least` times at least."""

    def decorate(check: Check) -> Callable[[], None]:
        def test() -> None:
            asserted = 0

            def example(**values: Any) -> None:
                nonlocal asserted
                asserted += check(**values)

            example.__name__ = check.__name__
            every = settings(
                max_examples=EXAMPLES,
                deadline=None,  # the machine is shared
                suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
            )
            every(given(**drawn)(example))()
            assert asserted >= least, f"asserted {asserted} times, wanted {least}"

        test.__name__, test.__doc__, test.__module__ = (
            check.__name__,
            check.__doc__,
            check.__module__,
        )
        return test

    return decorate
