"""A Whisper of a hundred words: small enough to be stored with the tests, trained until it recognises them."""
