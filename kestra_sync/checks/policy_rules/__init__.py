"""The rules of the policy, one module each; :mod:`kestra_sync.checks.policy` lists them."""
