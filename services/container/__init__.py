"""What the images start: secrets from files, the first key, the log's form, and then one of the services."""
