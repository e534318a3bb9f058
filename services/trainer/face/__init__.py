"""The network that sees emotion in the face."""
