"""Repairs: the operator's replay, the sweep, later looks at completed runs, and poison messages."""
