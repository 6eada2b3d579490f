"""The wires: JSON-RPC over HTTP and stdio, towards agents (agents/) and tool servers (servers/)."""
