"""What operators read of a run, of all runs and of the app."""
