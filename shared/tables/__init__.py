"""Rows of Table storage: dataclasses as entities, ETags, and the schema of rows."""
