"""The network that reads emotion in the words."""
