"""The command line: annotate, serve, doctor, models, keys, score, train, evaluate, bench."""
