"""Tool servers made for tests: they speak raw JSON-RPC, so that they can do what no SDK would."""
