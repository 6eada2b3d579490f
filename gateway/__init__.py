"""Bulkhead: an MCP gateway that proves an agent's action was authorised, bounded and reversible."""

__version__ = "0.1.0"
