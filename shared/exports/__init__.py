"""Views of a transcript: the formats that people and programs read."""
