"""The client of the Kestra API, and its internals."""
