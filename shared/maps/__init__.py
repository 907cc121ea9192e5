"""The table maps: the shipped ones as JSON files, those of released versions, the store of all that were ever used, and
what their transforms need to know."""
