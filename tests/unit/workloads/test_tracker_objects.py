"""What is known of the contents of ConfigMaps and Secrets, and the copies made of them."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.documents.configs import ConfigKind, ConfigRef, Content
from tests.unit.workloads.deployments import COPYING, UID, a_canary
from workloads import tracker_objects
from workloads.primary import Copying

CONFIG: Final = ConfigRef(ConfigKind.CONFIG_MAP, "shop")
SECRET: Final = ConfigRef(ConfigKind.SECRET, "shop")
KEY: Final = bytes(range(32))


def an_object(**fields: Any) -> dict[str, Any]:
    """A ConfigMap or Secret `shop`."""
    metadata = {"name": "shop", "namespace": "test", "uid": "o1", "resourceVersion": "7"}
    return {"metadata": {**metadata, **fields.pop("metadata", {})}, **fields}


@pytest.mark.parametrize(
    ("data", "checksum"),
    [
        # SHA-256 of `null`, of `{"color":"blue"}` and of `{"a":"1","b":"\u003cx\u003e"}`, cut
        (None, "74234e98afe7498f"),
        ({"color": "blue"}, "f234cb93c08ad64e"),
        ({"b": "<x>", "a": "1"}, "84e943b2c665ef12"),
    ],
)
def test_the_digest_of_a_config_map_is_flagger_s(data: Any, checksum: str) -> None:
    """Lifecycle 6.3, "checksum": the first eight bytes of SHA-256 over compact, sorted JSON."""
    fields = {} if data is None else {"data": data}
    known = tracker_objects.content(CONFIG, an_object(**fields), KEY)
    assert known == Content("7", checksum)


def test_binary_data_and_nothing_but_contents_count() -> None:
    """A change of `binaryData` is one (D-75); one of labels is none."""
    plain = tracker_objects.content(CONFIG, an_object(data={"a": "1"}), KEY)
    binary = an_object(data={"a": "1"}, binaryData={"b": "AA=="})
    other = an_object(data={"a": "1"}, binaryData={"b": "AQ=="})
    labelled = an_object(data={"a": "1"}, metadata={"labels": {"x": "y"}})
    digests = {tracker_objects.content(CONFIG, each, KEY).digest for each in (binary, other)}
    assert len({plain.digest, *digests}) == 3
    assert tracker_objects.content(CONFIG, labelled, KEY) == plain


@pytest.mark.parametrize(
    ("kind", "is_tracked"),
    [
        ("Opaque", True),
        ("kubernetes.io/basic-auth", True),
        ("kubernetes.io/ssh-auth", True),
        ("kubernetes.io/tls", True),
        ("kubernetes.io/dockerconfigjson", False),
        ("kubernetes.io/service-account-token", False),
        ("helm.sh/release.v1", False),
    ],
)
def test_secrets_of_four_types_are_tracked(kind: str, is_tracked: bool) -> None:
    """Lifecycle 6.3, "Secret types tracked"."""
    known = tracker_objects.content(SECRET, an_object(type=kind, data={"a": "eA=="}), KEY)
    assert bool(known.digest) is is_tracked
    assert known.version == "7"


@pytest.mark.parametrize("ref", [CONFIG, SECRET], ids=["configmap", "secret"])
@pytest.mark.parametrize(
    ("value", "is_tracked"),
    [("disabled", False), ("disable", False), ("disabled-for-now", False), ("enabled", True)],
)
def test_the_annotation_opts_out(ref: ConfigRef, value: str, is_tracked: bool) -> None:
    """Lifecycle 6.3, "opt-out": a value that begins with `disable`."""
    annotations = {"annotations": {"flagger.app/config-tracking": value}}
    raw = an_object(type="Opaque", data={"a": "eA=="}, metadata=annotations)
    assert bool(tracker_objects.content(ref, raw, KEY).digest) is is_tracked


@given(key=st.binary(min_size=32, max_size=32), other=st.binary(min_size=32, max_size=32))
def test_without_the_key_nobody_can_try_out_the_value_of_a_secret(key: bytes, other: bytes) -> None:
    """The same value has another digest under another key, and none is that of a plain hash."""
    raw = an_object(type="Opaque", data={"pin": "MTIzNA=="})
    digests = [tracker_objects.content(SECRET, raw, each).digest for each in (key, other)]
    assert (digests[0] == digests[1]) is (key == other)
    plain = tracker_objects.content(CONFIG, raw, b"").digest
    assert plain not in digests


def test_a_copy_has_data_type_and_immutability_of_its_original_and_owners_of_its_own() -> None:
    """Lifecycle 11: labels by prefix, no annotations, controlled by this canary."""
    labels = {"app.kubernetes.io/part-of": "shop", "team": "a"}
    metadata = {"labels": labels, "annotations": {"note": "x"}}
    raw = an_object(
        type="Opaque",
        data={"a": "eA=="},
        immutable=True,
        metadata=metadata,
        apiVersion="v1",
        kind="Secret",
    )
    copying = Copying(COPYING.selector_labels, ("app.kubernetes.io",))
    assert tracker_objects.copy(a_canary(), SECRET, raw, None, copying) == {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": "shop-primary",
            "namespace": "test",
            "labels": {"app.kubernetes.io/part-of": "shop"},
            "ownerReferences": [owner("podinfo", UID)],
        },
        "type": "Opaque",
        "data": {"a": "eA=="},
        "immutable": True,
    }


def test_two_canaries_that_share_a_config_share_its_copy() -> None:
    """Lifecycle 28: two owner references; the one that promoted last controls it."""
    theirs = owner("other", "u-other")
    live = an_object(
        data={"a": "1", "gone": "2"},
        metadata={"ownerReferences": [theirs], "annotations": {"kept": "yes"}},
    )
    copy = tracker_objects.copy(a_canary(), CONFIG, an_object(data={"a": "3"}), live, COPYING)
    assert copy["data"] == {"a": "3"}
    assert copy["metadata"]["ownerReferences"] == [
        {**theirs, "controller": False},
        owner("podinfo", UID),
    ]
    assert copy["metadata"]["annotations"] == {"kept": "yes"}
    assert copy["metadata"]["resourceVersion"] == "7"


def owner(name: str, uid: str) -> dict[str, Any]:
    """The reference to a canary that controls an object."""
    return {
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "name": name,
        "uid": uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
