"""Executions of flows: start, follow, read logs, find failed tasks, delete."""
