"""Safe handling of untrusted input: paths, names, secrets, text."""
