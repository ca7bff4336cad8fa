"""``kestra-sync.yaml``: found, validated with positions, merged with flags and environment."""
