"""The rules of Project Operations: its codes, its invoices, and the rows that a confirmation creates."""
