"""A Whisper of a hundred words: small enough to lie beside the tests, and trained until it really hears them."""
