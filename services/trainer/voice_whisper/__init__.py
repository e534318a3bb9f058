"""The voice emotion head on the first layers of Whisper's encoder."""
