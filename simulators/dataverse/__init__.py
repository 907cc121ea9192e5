"""A Dataverse organization with Project Operations in it, over HTTP on loopback."""
