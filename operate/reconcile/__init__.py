"""Comparisons of Dataverse and Finance for operators."""
