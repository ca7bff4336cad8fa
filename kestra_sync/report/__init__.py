"""What people and machines read. Nothing else in the package writes to a stream."""
