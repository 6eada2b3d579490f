"""What a task may do now: grants as the Line asks them, and how they are given, delegated and ended."""
