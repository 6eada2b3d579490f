"""What a running gateway tells monitoring: read from its own journal lines, off the hot path, with no payload in it."""
