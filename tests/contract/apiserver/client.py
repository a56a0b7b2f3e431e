"""A plain HTTP client of a Kubernetes API server: what it answers, without a library's opinion."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True)
class Reply:
    """One answer: HTTP code, JSON body, headers."""

    code: int
    body: Any
    headers: Mapping[str, str]


@dataclass(frozen=True)
class Api:
    """An API server and a namespace of the test's own; `real` tells kube-apiserver apart."""

    url: str
    namespace: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ca_file: Path | None = None
    real: bool = False

    @property
    def core(self) -> str:
        """The path of the namespace in the core group."""
        return f"/api/v1/namespaces/{self.namespace}"

    @property
    def apps(self) -> str:
        """The path of the namespace in the group apps."""
        return f"/apis/apps/v1/namespaces/{self.namespace}"

    def group(self, group_version: str) -> str:
        """The path of the namespace in any group and version."""
        return f"/apis/{group_version}/namespaces/{self.namespace}"

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        content_type: str = "application/json",
        accept: str = "application/json",
        **query: str,
    ) -> Reply:
        """The answer to one request."""
        sent = {"Content-Type": content_type, "Accept": accept, **self.headers}
        answer = requests.request(
            method,
            self.url + path,
            data=None if body is None else json.dumps(body),
            params=query,
            headers=sent,
            verify=self._verify(),
            timeout=20,
        )
        is_json = "json" in answer.headers.get("Content-Type", "")
        return Reply(answer.status_code, answer.json() if is_json else answer.text, answer.headers)

    def made(self, path: str, body: Any, **query: str) -> Any:
        """The object after POSTing `body`; fails the test when it is refused."""
        reply = self.call("POST", path, body, **query)
        assert reply.code == 201, reply.body
        return reply.body

    def _verify(self) -> str | bool:
        return str(self.ca_file) if self.ca_file else True

    @contextlib.contextmanager
    def watch(self, path: str, **query: str) -> Iterator[Iterator[Any]]:
        """The events of a watch, as they come; it ends with the block, or after 10 seconds."""
        answer = requests.get(
            self.url + path,
            params={"watch": "true", "timeoutSeconds": "10", **query},
            headers=dict(self.headers),
            verify=self._verify(),
            stream=True,
            timeout=20,
        )
        with answer:
            yield (json.loads(line) for line in answer.iter_lines(chunk_size=1) if line)
