"""Files on disk: for their owner alone, whole or not at all, and followed when they change. It knows no contents."""
