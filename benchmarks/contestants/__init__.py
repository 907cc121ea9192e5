"""Who is raced: each contestant is a process of its own that gets ready, waits for the start, and tells its seconds."""
