"""Training on scans of which few, or none, have labels."""
