"""How answers look to a person: pure functions from an answer to something that can be printed."""
