"""`relay`, the operator's command: what the app does, and what to do about it, by the app's operator endpoints.

It holds no rules and no state: every command is one or more calls of the app's HTTP API, shown for a person or as JSON.
Only `relay webhook` also calls Dataverse and Azure, with an administrator's sign-in.
"""
