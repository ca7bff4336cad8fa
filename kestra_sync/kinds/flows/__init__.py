"""Flows: reads them from the server, and checks them."""
