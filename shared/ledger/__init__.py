"""The records of every run in Azure Table storage: its pages, parts and rejected rows, and the dock."""
