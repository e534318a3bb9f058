"""The captioned video: draws captions into frames and encodes them."""
