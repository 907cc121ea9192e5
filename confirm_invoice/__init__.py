"""The first stage: accepts Dataverse's webhook and sends the invoice header to Finance."""
