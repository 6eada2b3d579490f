"""The wires: JSON-RPC over HTTP and stdio, towards agents (agents/) and towards tool servers (servers/)."""
