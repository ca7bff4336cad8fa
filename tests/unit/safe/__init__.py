"""Tests of safe paths, names, patterns and text."""
