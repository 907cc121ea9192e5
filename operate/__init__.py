"""What operators and timers trigger: runs, errors, replay, pause, sweep, reconciliation, health."""
