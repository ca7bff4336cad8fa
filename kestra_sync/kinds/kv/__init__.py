"""Key-value pairs, with their types, times to live and descriptions."""
