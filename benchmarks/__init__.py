"""How fast kestra-sync is, beside the bare requests and beside what people write by hand.

``python -m benchmarks`` (``make bench``) builds trees of flows, starts an engine of its own,
measures, and writes ``docs/performance.md`` with its table and plot.
"""
