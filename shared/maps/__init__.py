"""The table maps: the shipped ones as JSON files, and what their transforms need to know."""
