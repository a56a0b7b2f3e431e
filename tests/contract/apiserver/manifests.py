"""Manifests the API server's contract tests write."""

from typing import Any


def a_config_map(name: str = "settings", **data: str) -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name},
        "data": data or {"colour": "blue"},
    }


def a_deployment(name: str = "web", image: str = "podinfo:1") -> dict[str, Any]:
    """A Deployment with nothing but what is required."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {
                "metadata": {"labels": {"app": name}},
                "spec": {
                    "containers": [
                        {
                            "name": "app",
                            "image": image,
                            "ports": [{"containerPort": 9898, "name": "http"}],
                            "env": [{"name": "COLOUR", "value": "blue"}],
                        }
                    ]
                },
            },
        },
    }


def a_service(name: str = "web") -> dict[str, Any]:
    """A Service with one port."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80}]},
    }


def a_virtual_service(name: str = "web") -> dict[str, Any]:
    """An Istio VirtualService with one route."""
    return {
        "apiVersion": "networking.istio.io/v1beta1",
        "kind": "VirtualService",
        "metadata": {"name": name},
        "spec": {"hosts": [name], "http": [{"route": [{"destination": {"host": name}}]}]},
    }


def an_event(name: str, about: str, kind: str = "Canary", event_type: str = "Normal") -> Any:
    """A core Event about an object of the namespace `namespace` fills in."""
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": name},
        "involvedObject": {"kind": kind, "name": about},
        "type": event_type,
        "reason": "Synced",
        "message": "something happened",
    }


def a_definition(group: str) -> dict[str, Any]:
    """A CustomResourceDefinition `widgets` that uses what Coalmine's own definitions use."""
    spec = {
        "type": "object",
        "required": ["size"],
        "properties": {
            "size": {"type": "integer", "minimum": 1, "maximum": 10},
            "colour": {"type": "string", "enum": ["red", "blue"], "default": "red"},
            "name": {"type": "string", "pattern": "^[a-z]+$"},
            "port": {"x-kubernetes-int-or-string": True},
            "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
            "steps": {"type": "array", "maxItems": 2, "items": {"type": "integer"}},
            "replicas": {"type": "integer"},
            "limits": {
                "type": "object",
                "properties": {"min": {"type": "number"}, "max": {"type": "number"}},
                "anyOf": [{"required": ["min"]}, {"required": ["max"]}],
            },
        },
    }
    status = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    columns = [
        {"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
        {
            "name": "Ready",
            "type": "string",
            "jsonPath": '.status.conditions[?(@.type=="Ready")].status',
        },
        {"name": "Colour", "type": "string", "jsonPath": ".spec.colour", "priority": 1},
        {"name": "Since", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"widgets.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"]},
            "versions": [
                {
                    "name": "v1",
                    "served": True,
                    "storage": True,
                    "subresources": {
                        "status": {},
                        "scale": {
                            "specReplicasPath": ".spec.replicas",
                            "statusReplicasPath": ".status.replicas",
                        },
                    },
                    "additionalPrinterColumns": columns,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "properties": {"spec": spec, "status": status},
                        }
                    },
                }
            ],
        },
    }


def a_widget(name: str, group: str, /, **spec: Any) -> dict[str, Any]:
    """An object of `a_definition(group)`."""
    return {
        "apiVersion": f"{group}/v1",
        "kind": "Widget",
        "metadata": {"name": name},
        "spec": {"size": 3, **spec},
    }
