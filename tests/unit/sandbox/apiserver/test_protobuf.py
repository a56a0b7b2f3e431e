"""Kubernetes' protobuf request bodies become the JSON objects they stand for."""

from pathlib import Path

import pytest

from sandbox.apiserver import field_table, fields, protobuf
from sandbox.apiserver.errors import ApiError


def varint(value: int) -> bytes:
    """A protobuf varint; negative numbers take ten bytes."""
    value %= 1 << 64
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def number(field: int, value: int) -> bytes:
    """A varint field."""
    return varint(field << 3) + varint(value)


def text(field: int, value: str | bytes) -> bytes:
    """A length-delimited field."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data


def body(api_version: str, kind: str, raw: bytes) -> bytes:
    """A request body: magic, then runtime.Unknown."""
    meta = text(1, api_version) + text(2, kind)
    return protobuf.MAGIC + text(1, meta) + text(2, raw) + text(3, "") + text(4, "")


def test_what_kubectl_sends_for_a_namespace_is_read() -> None:
    """The bytes of `kubectl create namespace demo`, version 1.32."""
    sent = bytes.fromhex(
        "6b3873000a0f0a02763112094e616d657370616365121c0a140a0464656d6f12001a002200"
        "2a003200380042001200" + "1a020a001a002200"
    )
    assert protobuf.decode(sent) == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "demo"},
        "spec": {},
        "status": {},
    }


def test_pointers_keep_their_zeros_and_others_do_not() -> None:
    """A pointer's 0 (replicas) is kept, minReadySeconds 0 is absent, as in Go's JSON."""
    spec = number(1, 0) + number(5, 0) + number(9, 600)
    found = protobuf.decode(body("apps/v1", "Deployment", text(2, spec)))
    assert found["spec"] == {"replicas": 0, "progressDeadlineSeconds": 600}


def test_maps_lists_bytes_and_inlined_fields_are_read() -> None:
    """Labels, finalizers, Secret data, the source of a volume."""
    metadata = text(1, "s") + text(11, text(1, "a") + text(2, "b")) + text(14, "x") + text(14, "y")
    data = text(2, text(1, "k") + text(2, b"\x00\x01"))
    found = protobuf.decode(body("v1", "Secret", text(1, metadata) + data))
    assert found["metadata"] == {"name": "s", "labels": {"a": "b"}, "finalizers": ["x", "y"]}
    assert found["data"] == {"k": "AAE="}
    source = text(19, text(1, text(1, "settings")))
    volume = text(1, "v") + text(2, source)
    found = protobuf.decode(body("v1", "Pod", text(2, text(1, volume))))
    assert found["spec"]["volumes"] == [{"name": "v", "configMap": {"name": "settings"}}]


def test_times_quantities_and_int_or_strings_are_read() -> None:
    """RFC 3339, the quantity's text, a number or a name."""
    assert fields.fields_of("core/v1.ServicePort")
    moment = text(8, number(1, 1767225600) + number(2, 0))
    found = protobuf.decode(body("v1", "ConfigMap", text(1, text(1, "c") + moment)))
    assert found["metadata"]["creationTimestamp"] == "2026-01-01T00:00:00Z"
    for port, expected in (
        (number(1, 0) + number(2, 8080) + text(3, ""), 8080),
        (number(1, 1) + number(2, 0) + text(3, "http"), "http"),
    ):
        ports = text(1, number(3, 80) + text(4, port))
        found = protobuf.decode(body("v1", "Service", text(2, ports)))
        assert found["spec"]["ports"] == [{"port": 80, "targetPort": expected}]


@pytest.mark.parametrize(
    "sent",
    [
        b"{}",
        protobuf.MAGIC + b"\x0a\xff",
        body("x.dev/v1", "Unknown", b""),
        body("v1", "Pod", b"\x0b"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request(sent: bytes) -> None:
    """No envelope, a cut-off field, an unknown kind, an unused wire type."""
    with pytest.raises(ApiError) as refused:
        protobuf.decode(sent)
    assert refused.value.code == 400


def test_the_field_table_is_read_from_go_sources(tmp_path: Path) -> None:
    """Aliases are resolved, inlined structs and kept zeros marked, unreachable types left out."""
    for package in field_table.PACKAGES:
        (tmp_path / "api" / package).mkdir(parents=True)
        (tmp_path / "api" / package / "types.go").write_text("")
    meta = tmp_path / "machinery" / "pkg" / "apis" / "meta" / "v1"
    meta.mkdir(parents=True)
    (meta / "types.go").write_text("type ObjectMeta struct {\n}\n")
    (tmp_path / "api" / "core" / "v1" / "types.go").write_text(
        "type Mode string\n"
        "type Pod struct {\n"
        '\tMode `json:"mode" protobuf:"bytes,1,opt,name=mode"`\n'
        '\tCount *int32 `json:"count,omitempty" protobuf:"varint,2,opt,name=count"`\n'
        '\tTags map[string]Mode `json:"tags,omitempty" protobuf:"bytes,3,rep,name=tags"`\n'
        '\tSource `json:",inline" protobuf:"bytes,4,opt,name=source"`\n'
        "}\n"
        "type Source struct {\n"
        '\tNames []string `json:"names,omitempty" protobuf:"bytes,1,rep,name=names"`\n'
        "}\n"
        "type Unused struct {\n"
        '\tName string `json:"name" protobuf:"bytes,1,opt,name=name"`\n'
        "}\n"
    )
    assert field_table.table(tmp_path / "api", tmp_path / "machinery") == {
        "core/v1.Pod": {
            "mode": "1! string",
            "count": "2! int",
            "tags": "3 map:string",
            "@4": "4! core/v1.Source",
        },
        "core/v1.Source": {"names": "1 []string"},
    }
