"""The app's own storage: its clients, and whose it is."""
