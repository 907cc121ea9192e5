"""The way into Azure, checked without Azure: what two parsers see in the template, and what the package does."""
