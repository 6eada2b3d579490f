"""Places outside for signed checkpoints: one file each. Port: `anchoring.Anchor`."""
