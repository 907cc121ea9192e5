"""What operators and the clock ask for: runs, errors, replay, pause, sweep, reconciliation, health."""
