"""The table maps for administrators: what is in use, what is stored, checks against the tenant, and translations."""
