"""What Project Operations means: its codes, its invoices, and what a confirmation produces."""
