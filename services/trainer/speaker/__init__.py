"""A speaker encoder that starts as GE2E and learns to know a voice again whatever its mood."""
