"""Tests of the kinds of resources."""
