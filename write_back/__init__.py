"""Writes accounting detail of posted rows from Finance back to the actuals in Dataverse."""
