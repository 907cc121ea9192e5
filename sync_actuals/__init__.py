"""The door of map 2, `actuals`: sends the actuals that the confirmation created."""
