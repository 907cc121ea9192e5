"""What the value of an app setting may look like: what is well meant is understood, what cannot work says why."""
