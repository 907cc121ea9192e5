"""Talking to Dataverse and Finance."""
