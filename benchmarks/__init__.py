"""The speed of kestra-sync, compared with the bare requests and with hand-written scripts.

``python -m benchmarks`` (``make bench``) builds trees of flows, starts an engine of its own,
measures, and writes ``docs/performance.md`` with its table and plot.
"""
