"""Project invoices as a year of work leaves them: drafted, confirmed, corrected."""
