"""Tests of what the action runs, without a runner."""
