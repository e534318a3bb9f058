"""The network that hears emotion in the voice."""
