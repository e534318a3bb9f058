"""The sample meeting: story, voices, faces and the script that generates it."""
