"""The sign-in service of the simulated tenant: Entra's token endpoint and App Service's managed identity endpoint."""
