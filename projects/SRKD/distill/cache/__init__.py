"""What a teacher said, read from a folder instead of running it."""
