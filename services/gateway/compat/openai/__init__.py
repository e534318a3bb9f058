"""OpenAI's API for speech to text."""
