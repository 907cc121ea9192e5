"""The operator's page: static files without data. Their scripts use the same endpoints as `relay`."""
