"""Dynamics 365 Finance as the app meets it: the Data Management package API, OData, and what Finance does next."""
