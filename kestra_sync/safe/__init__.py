"""What may be trusted, and how far: paths, names, secrets, untrusted text."""
