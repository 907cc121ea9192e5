"""The platform's notifications: who listens, what it is told, and how the telling can fail."""
