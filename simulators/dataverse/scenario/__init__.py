"""Project invoices in every state of their life: drafted, confirmed, corrected."""
