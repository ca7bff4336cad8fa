"""``kestra-sync.yaml``: found, validated with positions, laid under flags and environment."""
