"""The operator's page: static files that hold no data; their scripts use the operator's endpoints like `relay` does."""
