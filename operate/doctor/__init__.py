"""The doctor: the app checks itself, its two services and its set-up, with its own identity. It only reads."""
