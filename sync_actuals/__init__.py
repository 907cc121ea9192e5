"""The second stage: sends the actuals that the confirmation created."""
