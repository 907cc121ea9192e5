"""The platform's webhooks: registrations, message bodies, and delivery faults."""
