"""The operator's HTTP API: access control, parsing of requests, and answers."""
