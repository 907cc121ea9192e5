"""What the three stages share, one noun a file."""

VERSION = "0.1.0"
