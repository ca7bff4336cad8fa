"""What a deployment does to the triggers of a flow: pure functions of sources and states."""
