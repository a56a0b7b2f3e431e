"""Credentials that are read where they are used: how often, and what follows from each answer."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from analysis.backends.authorised import KEPT, Authorised
from analysis.backends.backend import Credentials, InvalidEndpoint, MetricBackend, SecretKey
from analysis.findings import Absent, Measurement, Sample
from analysis.verdicts import Reason, Verdict
from clients import errors
from clients.clock import ManualClock

SECRET: Final = SecretKey("sre", "prom-token")
REFUSED: Final = Absent(Verdict.ERROR, Reason.QUERY_REFUSED, "error response: 401: who are you")


@dataclass
class Site:
    """A server that takes the tokens in `valid`, and the Secret with one."""

    clock: ManualClock = field(
        default_factory=lambda: ManualClock(datetime(2026, 3, 1, tzinfo=UTC))
    )
    token: str = "a"
    valid: set[str] = field(default_factory=lambda: {"a"})
    trouble: Exception | None = None
    reads: int = 0
    built: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def read(self, secret: SecretKey) -> Credentials:
        """What the Secret holds."""
        assert secret == SECRET
        self.reads += 1
        if self.trouble:
            raise self.trouble
        return Credentials({"token": self.token})

    def build(self, credentials: Credentials) -> MetricBackend:
        """The server, as somebody with these credentials meets it."""
        token = credentials.values["token"]
        if not token:
            raise InvalidEndpoint("prometheus credentials does not contain a token")
        self.built.append(token)
        return Server(self, token)

    def backend(self) -> Authorised:
        """The server by its Secret."""
        return Authorised(SECRET, self.read, self.build, self.clock)


@dataclass
class Server:
    """The server, asked with one token."""

    site: Site
    token: str

    def query(self, query: str) -> Measurement:
        """5, or 401."""
        self.site.asked.append(query)
        return Sample(5) if self.token in self.site.valid else REFUSED

    def online(self) -> Absent | None:
        """None, or 401."""
        answer = self.query("vector(1)")
        return answer if isinstance(answer, Absent) else None


@pytest.fixture
def site() -> Site:
    """A site in health."""
    return Site()


def pass_seconds(site: Site, seconds: float) -> None:
    """Some time passes."""
    site.clock.advance(timedelta(seconds=seconds))


def test_nothing_is_read_before_the_first_question_and_then_once_for_many(site: Site) -> None:
    """A Secret is read where it is used, and not for each query."""
    backend = site.backend()
    assert site.reads == 0
    assert [backend.query("up") for _ in range(3)] == [Sample(5)] * 3
    assert backend.online() is None
    assert (site.reads, site.built) == (1, ["a"])


def test_credentials_are_read_anew_after_a_while(site: Site) -> None:
    """Connections stay as long as they are the same."""
    backend = site.backend()
    backend.query("up")
    pass_seconds(site, KEPT)
    backend.query("up")
    assert (site.reads, site.built) == (2, ["a"])
    site.token, site.valid = "b", {"a", "b"}
    pass_seconds(site, KEPT)
    assert backend.query("up") == Sample(5)
    assert (site.reads, site.built) == (3, ["a", "b"])


def test_exchanged_credentials_cost_no_check(site: Site) -> None:
    """The server refuses the old ones before their time is over: they are read and it is asked."""
    backend = site.backend()
    backend.query("up")
    pass_seconds(site, 5)
    site.token, site.valid = "b", {"b"}
    assert backend.query("up") == Sample(5)
    assert site.asked == ["up"] * 3


def test_a_query_that_is_refused_for_itself_is_not_asked_again(site: Site) -> None:
    """The Secret is looked at once a second at most, and says the same."""
    backend, site.valid = site.backend(), set()
    assert [backend.query("sum(") for _ in range(5)] == [REFUSED] * 5
    assert (len(site.asked), site.reads) == (5, 1)
    pass_seconds(site, 1)
    assert backend.query("sum(") == REFUSED
    assert (len(site.asked), site.reads) == (6, 2)


@pytest.mark.parametrize(
    ("trouble", "words"),
    [
        (errors.NotFound("not found"), "not found"),
        (errors.Permanent("get query error: Forbidden"), "get query error: Forbidden"),
        (errors.Transient("get query error: timed out"), "get query error: timed out"),
    ],
)
def test_a_secret_that_cannot_be_read_is_an_error_with_its_name(
    site: Site, trouble: Exception, words: str
) -> None:
    """And is tried again a second later, by one of those who ask."""
    backend, site.trouble = site.backend(), trouble
    answers = [backend.query("up") for _ in range(5)]
    expected = Absent(Verdict.ERROR, Reason.NO_CREDENTIALS, f"secret prom-token.sre: {words}")
    assert answers == [expected] * 5
    assert backend.online() == expected
    assert (site.reads, site.asked) == (1, [])
    site.trouble = None
    pass_seconds(site, 1)
    assert backend.query("up") == Sample(5)


def test_a_secret_without_what_is_needed_is_an_error_that_says_so(site: Site) -> None:
    """In the words of the backend."""
    backend, site.token = site.backend(), ""
    answer = backend.query("up")
    assert isinstance(answer, Absent)
    assert answer.message == (
        "secret prom-token.sre: prometheus credentials does not contain a token"
    )


@pytest.mark.parametrize(
    ("trouble", "goes_on"), [(errors.Transient("away"), True), (errors.NotFound("gone"), False)]
)
def test_only_an_api_server_that_is_away_does_not_end_the_use_of_credentials(
    site: Site, trouble: Exception, *, goes_on: bool
) -> None:
    """A good release is not rolled back because of it; a Secret that was deleted counts at once."""
    backend = site.backend()
    backend.query("up")
    site.trouble = trouble
    pass_seconds(site, KEPT)
    answers = [backend.query("up") for _ in range(3)]
    assert [isinstance(answer, Sample) for answer in answers] == [goes_on] * 3
    assert site.reads == 2


@pytest.mark.parametrize(
    "ask", [lambda backend: backend.query("up"), lambda backend: backend.online()]
)
def test_a_defect_of_the_backend_is_its_reader_s_business(
    site: Site, ask: Callable[[Authorised], object]
) -> None:
    """As with every other backend: `analysis.metrics.servers` makes an error of it."""
    backend = Authorised(SECRET, site.read, lambda _: Broken(), site.clock)
    with pytest.raises(RuntimeError):
        ask(backend)


class Broken:
    """A backend with a defect."""

    def query(self, query: str) -> Measurement:
        """Fails."""
        raise RuntimeError(query)

    def online(self) -> Absent | None:
        """Fails."""
        raise RuntimeError
