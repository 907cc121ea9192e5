"""The integration jobs: what is carried, in which order. Data (*.json), and the form of it."""
