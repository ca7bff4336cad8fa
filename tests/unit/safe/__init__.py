"""What may be trusted: paths and names."""
