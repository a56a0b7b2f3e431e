"""What fires at Alertmanagers: kept by canary and receiver for as long as an alert may last."""

from datetime import timedelta

from redis import Redis

from clients.redis import keys
from clients.redis.firing import FiringAlerts, Told
from config import moments
from config.refs import CanaryRef
from tests.stores import DirectStore

REF = CanaryRef("shop", "cart")
LASTS = timedelta(minutes=15)


def test_what_fires_outlives_its_canary_and_ends_by_itself(
    live_store: DirectStore, client: "Redis[str]"
) -> None:
    """By account; of one at which nothing fires any more, nothing is left."""
    firing, now = FiringAlerts(live_store, LASTS), moments.at(1_760_000_000_123)
    both = Told(frozenset({"CanaryFailed", "CanaryGateWaiting"}), now)
    firing.keep(REF, "alert:shop/on-call", Told(frozenset({"CanaryFailed"})))
    firing.keep(REF, "alert:alertmanager", both)
    live_store.forget(REF)
    assert firing.of(REF) == {
        "alert:shop/on-call": Told(frozenset({"CanaryFailed"}), moments.EPOCH),
        "alert:alertmanager": both,
    }
    assert firing.of(CanaryRef("shop", "other")) == {}
    key = keys.FIRING.of(REF)
    assert client.execute_command("TYPE", key) == keys.FIRING.type
    assert 0 < client.pttl(key) <= LASTS // timedelta(milliseconds=1)
    for account in firing.of(REF):
        firing.keep(REF, account, Told())
    assert not client.exists(key)
