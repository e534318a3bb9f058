"""The entry point of the images: reads secrets from files, sets up the log, and starts one service."""
