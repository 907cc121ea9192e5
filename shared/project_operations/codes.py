"""Option set values of Project Operations."""

PROJECT_INVOICE = 192350001
"""`invoice.msdyn_ordertype`, Work based."""

DRAFT = 192350000
IN_REVIEW = 192350001
CONFIRMED = 192350002
PAID = 192350003
"""`invoice.msdyn_projectinvoicestatus`. Newer versions add Posted, whose number is not published."""

CANCELED = 3
"""`invoice.statecode`. Project Operations itself uses Active (0) and Paid (2) only."""

UNBILLED_SALES = 192350005
BILLED_SALES = 192350006

NON_CHARGEABLE = 192350000
CHARGEABLE = 192350001

TIME = 192350000
EXPENSE = 192350001
MATERIAL = 192350002
FEE = 192350004

TIME_AND_MATERIAL = 192350000
FIXED_PRICE = 192350001

INVOICE_LINE_DETAIL = "msdyn_invoicelinetransaction"
"""The table of invoice line details, as the ends of a connection name it."""

DETAILS = "msdyn_invoicelinetransactions"
"""The entity set of invoice line details."""

INVOICES = "invoices"
ACTUALS = "actuals"
CONNECTIONS = "transactionconnections"
"""The table maps that rules of Project Operations are about, as the job names them."""

# Parts in the ledger carry these words since the first release, so they stay.
SOLD = "billed"
NEW_UNBILLED = "fresh"
"""The measures of actuals: billed sales, and the unbilled sales that a confirmation created."""
