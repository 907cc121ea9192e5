"""What the three stages share, one noun a file."""
