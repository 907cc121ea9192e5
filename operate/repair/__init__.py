"""What puts a run back to work: an operator's replay, and the sweep."""
