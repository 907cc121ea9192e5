"""Where the rows of a step come from."""
