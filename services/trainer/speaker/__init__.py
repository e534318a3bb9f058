"""A speaker encoder that starts from GE2E and is trained to be robust to emotion."""
