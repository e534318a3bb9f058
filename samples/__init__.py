"""The sample meeting: its story, its voices, its faces, and the script that makes it again."""
