"""A small, truthful Kubernetes API server in memory, for `kubectl` and the `kubernetes` client.

`ApiServer` is the whole, `Store` its content without HTTP, `InProcessKube` a `clients.kube` door to
a store. What it leaves out: authentication and RBAC enforcement, CEL rules, webhooks and
conversion, protobuf answers, field ownership of plain writes.
"""

from sandbox.apiserver.counts import RequestKind
from sandbox.apiserver.door import InProcessKube
from sandbox.apiserver.errors import ApiError
from sandbox.apiserver.faults import Fault
from sandbox.apiserver.server import ApiServer
from sandbox.apiserver.store import Store

__all__ = ["ApiError", "ApiServer", "Fault", "InProcessKube", "RequestKind", "Store"]
