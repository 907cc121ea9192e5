"""The door of map 3, `transactionconnections`: sends the connections, compares both sides, completes the run."""
