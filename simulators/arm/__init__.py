"""Azure Resource Manager, as far as a function app's keys need it."""
