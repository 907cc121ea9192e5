"""The third stage: sends the transaction connections, compares source with target, and completes the run."""
