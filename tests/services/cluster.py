"""What a test does with the real API server: requests, manifests, tokens, who asked for what."""

import base64
import contextlib
import functools
import json
import secrets
import ssl
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import urllib3
import yaml

from tests.services import processes

APPLY: Final = "application/apply-patch+yaml"
CONNECTIONS: Final = 32
"""Kept open at most; tests have a dozen threads that ask the server."""


class Refused(Exception):
    """An answer of 400 or more; `status` is the HTTP code, `body` the Kubernetes Status object."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(f"{status}: {body.get('message', body)}")
        self.status = status
        self.body = body


@dataclass(frozen=True)
class Request:
    """One request as the API server's audit log has it; `resource` is `pods` or `pods/status`."""

    user: str
    verb: str
    resource: str
    namespace: str
    name: str
    code: int


@dataclass(frozen=True)
class ControlPlane:
    """A running API server.

    `url` is https://127.0.0.1:PORT, `ca_file` the PEM its certificate is verified with, and
    `admin_token` belongs to a user of the group system:masters, who may do everything.
    """

    url: str
    ca_file: Path
    admin_token: str
    audit_log: Path
    apiserver: processes.Process
    etcd: processes.Process
    etcd_url: str

    def request(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | Sequence[Any] | None = None,
        *,
        token: str | None = None,
        content_type: str = "application/json",
    ) -> dict[str, Any]:
        """The JSON answer to one request, as the administrator unless `token` is given.

        Raises Refused for any status of 400 and above, OSError when there is no answer.
        """
        headers = {
            "Authorization": f"Bearer {token or self.admin_token}",
            "Content-Type": content_type,
        }
        content = None if body is None else json.dumps(body)
        with self.asked(method, path, content, headers) as answer:
            read = _json(answer.data)
        if answer.status >= 400:
            raise Refused(answer.status, read)
        return read

    @contextlib.contextmanager
    def asked(
        self, method: str, path: str, body: str | bytes | None, headers: Mapping[str, str]
    ) -> Iterator[urllib3.BaseHTTPResponse]:
        """The answer to one request of anybody's, to be read; its connection serves the next one.

        Raises OSError when there is none.
        """
        try:
            answer = self._pool.urlopen(
                method, path, body, headers, preload_content=False, decode_content=False
            )
            with contextlib.closing(answer):  # its connection too, unless it was read to the end
                yield answer
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error

    @functools.cached_property
    def _pool(self) -> urllib3.HTTPSConnectionPool:
        """Connections to the server: to shake hands takes either side longer than to be asked."""
        trust = ssl.create_default_context(cafile=str(self.ca_file))
        server = urllib.parse.urlsplit(self.url)
        return urllib3.HTTPSConnectionPool(
            str(server.hostname),
            server.port,
            maxsize=CONNECTIONS,
            timeout=urllib3.Timeout(60),
            retries=False,
            ssl_context=trust,
        )

    def hang_up(self) -> None:
        """Ends the connections that nobody uses."""
        self._pool.close()

    def path(self, manifest: Mapping[str, Any], namespace: str = "default") -> str:
        """The URL path of the object in `manifest`; its kind is looked up by discovery.

        `namespace` is used where the kind has one and the manifest names none.
        """
        version, metadata = manifest["apiVersion"], manifest["metadata"]
        root = f"/api/{version}" if version == "v1" else f"/apis/{version}"
        kinds = self.request("GET", root)["resources"]
        kind = next(
            each for each in kinds if each["kind"] == manifest["kind"] and "/" not in each["name"]
        )
        scope = f"/namespaces/{metadata.get('namespace', namespace)}" if kind["namespaced"] else ""
        return f"{root}{scope}/{kind['name']}/{metadata['name']}"

    def apply(self, manifest: Mapping[str, Any], namespace: str = "default") -> dict[str, Any]:
        """The object after a forced server-side apply of `manifest`, as the administrator.

        A CustomResourceDefinition is served when this returns.
        """
        query = urllib.parse.urlencode({"fieldManager": "tests", "force": "true"})
        path = self.path(manifest, namespace)
        applied = self.request("PATCH", f"{path}?{query}", manifest, content_type=APPLY)
        if manifest["kind"] == "CustomResourceDefinition":
            _until(lambda: _established(self.request("GET", path)), path)
            version, group = applied["spec"]["versions"][0]["name"], applied["spec"]["group"]
            _until(lambda: self._serves(f"/apis/{group}/{version}", applied), path)
        return applied

    def apply_file(self, file: Path, namespace: str = "default") -> list[dict[str, Any]]:
        """The objects of a file of YAML documents, each applied, in their order."""
        manifests = yaml.safe_load_all(file.read_text("utf-8"))
        return [self.apply(each, namespace) for each in manifests if each]

    def create_namespace(self, name: str | None = None) -> str:
        """The name of a new namespace, random unless given."""
        name = name or f"test-{secrets.token_hex(4)}"
        self.request("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return name

    def service_account_token(
        self, namespace: str, name: str, *, lifetime_seconds: int = 3600
    ) -> str:
        """A token of the ServiceAccount, made by the TokenRequest API; creates it when absent.

        The lifetime is 600 seconds or more, as the API server demands.
        """
        account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}
        self.apply(account, namespace)
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        answer = self.request("POST", path, {"spec": {"expirationSeconds": lifetime_seconds}})
        return str(answer["status"]["token"])

    def kubeconfig(
        self, path: Path, token: str | None = None, *, server: str | None = None
    ) -> Path:
        """`path`, now a kubeconfig for this server; the administrator's unless `token` is given.

        `server` is the URL to be asked instead of our own, for instance a proxy's.
        """
        ca_data = base64.b64encode(self.ca_file.read_bytes()).decode()
        cluster = {"server": server or self.url, "certificate-authority-data": ca_data}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": token or self.admin_token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }
        path.write_text(yaml.safe_dump(config), "utf-8")
        path.chmod(0o600)
        return path

    def requests(self, offset: int = 0) -> list[Request]:
        """The answered requests in order, from byte `offset` of the audit log.

        A request is in the log before its answer is sent; a watch, once it has begun. Requests of
        the server to itself are left out.
        """
        with self.audit_log.open("rb") as log:
            log.seek(offset)
            events = [json.loads(line) for line in log]
        return [_request(each) for each in events if each["user"]["username"] != "system:apiserver"]

    @contextlib.contextmanager
    def recorded(self) -> Iterator[list[Request]]:
        """The requests made during the block, filled in at its end."""
        seen: list[Request] = []
        offset = self.audit_log.stat().st_size if self.audit_log.exists() else 0
        yield seen
        seen.extend(self.requests(offset))

    def _serves(self, root: str, crd: Mapping[str, Any]) -> bool:
        """Whether the kind is discovered, and its objects are listed: storage comes up later."""
        names = crd["spec"]["names"]
        try:
            kinds = self.request("GET", root)["resources"]
            self.request("GET", f"{root}/{names['plural']}?limit=1")
        except Refused:
            return False
        return any(each["kind"] == names["kind"] for each in kinds)


def _request(event: Mapping[str, Any]) -> Request:
    reference = event.get("objectRef", {})
    resource = reference.get("resource", event["requestURI"])
    subresource = reference.get("subresource")
    return Request(
        user=event["user"]["username"],
        verb=event["verb"],
        resource=f"{resource}/{subresource}" if subresource else resource,
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
    )


def _established(crd: Mapping[str, Any]) -> bool:
    conditions = crd.get("status", {}).get("conditions") or []  # null until the server looks
    return any(each["type"] == "Established" and each["status"] == "True" for each in conditions)


def _until(reached: Callable[[], bool], what: str, timeout_seconds: float = 20) -> None:
    deadline = time.monotonic() + timeout_seconds
    while not reached():
        if time.monotonic() > deadline:
            raise processes.ServiceError(f"{what} not served within {timeout_seconds:g} s")
        time.sleep(0.05)


def _json(text: bytes) -> dict[str, Any]:
    """The object in `text`; an answer that is not JSON (readyz says ok) as its `message`."""
    try:
        value = json.loads(text)
    except ValueError:
        return {"message": text.decode("utf-8", "replace")}
    return value if isinstance(value, dict) else {"message": str(value)}
