"""Certification of an undo pack: random calls at a real server, taken back, and a look that goes around the gateway."""
