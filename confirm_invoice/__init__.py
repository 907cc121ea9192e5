"""The door of map 1, `invoices`: accepts Dataverse's webhook and sends the invoice header to Finance."""
