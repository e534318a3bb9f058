"""AssemblyAI's API for recorded speech."""
