"""Clients of others, unmodified, against the simulators: what they read from the real services they read here."""
