"""Tests of the kinds of resources beside flows."""
