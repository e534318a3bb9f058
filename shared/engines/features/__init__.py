"""What networks read, computed by the same code in training and serving."""
