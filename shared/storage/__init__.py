"""The app's own storage: its clients, and its owner."""
