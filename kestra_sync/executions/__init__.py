"""Executions of flows: started, followed, their logs, what failed in them, and their removal."""
