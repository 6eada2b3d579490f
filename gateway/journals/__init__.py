"""Where the lines of every call are kept: one file per store, all behind `ports.Journal`."""
