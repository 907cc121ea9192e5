"""How parts of any job are loaded, shipped and settled."""
