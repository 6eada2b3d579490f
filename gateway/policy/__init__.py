"""The policy room: strict readers of policies/, Casbin as the PDP, classification, and the tools to check both."""

from gateway.policy.snapshot import PolicySnapshot, load

__all__ = ["PolicySnapshot", "load"]
