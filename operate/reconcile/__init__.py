"""Both ends compared, because an operator asks."""
