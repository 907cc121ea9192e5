"""The packages that the doors and the operator's API share."""
