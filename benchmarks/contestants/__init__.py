"""The contestants. Each is a separate process that prepares, waits for the start signal, and reports its seconds."""
