"""Tests of rendered flows."""
