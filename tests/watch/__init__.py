"""What the app writes about itself to the log, and what the alerts make of it."""
