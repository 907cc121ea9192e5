"""A simulated Dynamics 365 Finance: the Data Management package API, OData, and Finance's own jobs."""
