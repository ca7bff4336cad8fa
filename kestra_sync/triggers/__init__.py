"""The effect of a deployment on triggers: pure functions of sources and states."""
