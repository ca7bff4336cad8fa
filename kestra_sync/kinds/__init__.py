"""The kinds of resources beside flows: namespace files and key-value pairs.

Each is a package that implements :class:`kestra_sync.kinds.base.ResourceKind`.
"""
