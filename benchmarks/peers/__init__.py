"""Other gateways on the same small call: each in an environment of its own, by version and hash."""
