"""The journal for other systems: its lines as OCSF events, delivered in order and never missed."""
