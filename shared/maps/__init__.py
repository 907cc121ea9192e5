"""The table maps as JSON files (shipped ones and those of released versions), and the code that reads and applies
them.
"""
