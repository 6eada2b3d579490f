"""The one place that wires adapters: settings in, running parts out. No rule lives here."""
