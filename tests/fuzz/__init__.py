"""Mutated answers of a server against every command; see ``test_answers.py``."""
