"""Suites every adapter of a port must pass, and the official MCP conformance suite."""
