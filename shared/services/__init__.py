"""Clients of Dataverse and Finance."""
