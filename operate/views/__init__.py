"""The documents that operators read about a run, about all runs and about the app."""
