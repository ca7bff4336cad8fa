"""The record of what we applied: one JSON value in Kestra's own KV store."""
