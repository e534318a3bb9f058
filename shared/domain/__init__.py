"""Domain model: immutable values that all packages share."""
