"""The command line: annotate, doctor, models, score."""
