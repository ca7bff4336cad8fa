"""A run inside of CI: inputs from the environment, outputs, summary, annotations, comment."""
