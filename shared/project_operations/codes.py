"""The numbers that Project Operations writes for its choices."""

PROJECT_INVOICE = 192350001
"""`invoice.msdyn_ordertype`, Work based."""

DRAFT = 192350000
IN_REVIEW = 192350001
CONFIRMED = 192350002
PAID = 192350003
"""`invoice.msdyn_projectinvoicestatus`. Newer versions add Posted, whose number is not published."""

CANCELED = 3
"""`invoice.statecode`. Project Operations itself uses Active (0) and Paid (2) only."""
