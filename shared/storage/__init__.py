"""The app's own storage account: its clients, its owner, landed rows, kept maps, pauses, notes and the audit."""
