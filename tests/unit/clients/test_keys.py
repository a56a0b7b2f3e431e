"""The key table: building keys, and its page in the docs.

Left out: whether the store writes what the table says (tests/contract/store/test_store_keys.py).
"""

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from clients.redis import keys
from config.refs import CanaryRef

REPOSITORY = Path(__file__).resolve().parents[3]
REF = CanaryRef("shop", "cart")
NAMES = st.from_regex(r"[a-z0-9]([a-z0-9.-]{0,20}[a-z0-9])?", fullmatch=True)


def test_the_keys_of_a_canary_share_its_hash_tag() -> None:
    """They stand in one slot, so tools of a cluster-aware kind can follow one canary."""
    assert keys.STATE.of(REF) == "coalmine:{shop/cart}:state"
    assert {row.of(REF).split("{")[1].split("}")[0] for row in keys.OF_CANARY} == {"shop/cart"}
    assert len(keys.OF_CANARY) == 14


@given(NAMES, NAMES)
def test_no_key_is_that_of_another_row_or_canary(namespace: str, name: str) -> None:
    """However the canary is called."""
    refs = {CanaryRef(namespace, name), CanaryRef(name, namespace), REF}
    of_canaries = {row.of(ref) for row in keys.OF_CANARY for ref in refs}
    assert len(of_canaries) == len(keys.OF_CANARY) * len(refs)
    others = {row.of(ref) for row in keys.TABLE if row not in keys.OF_CANARY for ref in refs}
    names = {"agenda", "queue", "fence", "epoch", "lease:beat", "leaps", "gates"}
    names |= {f"{each}:DIGEST" for each in ("query", "pace", "turns")}
    assert others == {f"coalmine:{name}" for name in names}
    assert not of_canaries & others


@given(NAMES, NAMES)
def test_scripts_build_the_key_that_python_builds(namespace: str, name: str) -> None:
    """What `around` gives, put around the name, is the key."""
    before, after = keys.TICK.around()
    assert f"{before}{namespace}/{name}{after}" == keys.TICK.of(CanaryRef(namespace, name))


def test_every_key_expires_or_ends_with_its_canary_or_is_one_of_five() -> None:
    """The list of what is kept for good is short, and none of it grows with time."""
    kept = {row.pattern for row in keys.TABLE if row.lifetime is keys.Lifetime.PERMANENT}
    assert kept == {f"coalmine:{name}" for name in ("agenda", "fence", "epoch", "leaps", "gates")}
    for row in keys.TABLE:
        assert (row.lifetime is keys.Lifetime.FORGOTTEN) <= (row in keys.OF_CANARY)


def test_the_page_in_the_docs_is_the_table() -> None:
    """docs/redis-keys.md is what `python -m clients.redis.keys` prints."""
    page = (REPOSITORY / "docs" / "redis-keys.md").read_text("utf-8")
    assert page == keys.markdown()
    assert all(row.pattern in page for row in keys.TABLE)
