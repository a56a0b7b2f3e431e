"""The controllers of the sandbox cluster: what makes stored objects behave."""

from sandbox.controllers.deployments import DeploymentController

__all__ = ["DeploymentController"]
