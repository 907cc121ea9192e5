"""The door of the way back: writes accounting detail of posted rows from Finance back to the actuals in Dataverse."""
