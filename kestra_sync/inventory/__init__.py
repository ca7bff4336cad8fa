"""The inventory, the record of what was applied: one JSON value in Kestra's own KV store."""
