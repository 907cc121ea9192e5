"""`relay maps`: a tenant's own table maps, from dual-write or by hand, into the app and back."""
