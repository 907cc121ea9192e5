"""The engine: loads, ships and settles the parts of any job."""
