"""Carries a plan out: the only stage, beside smoke, that changes anything on the server."""
