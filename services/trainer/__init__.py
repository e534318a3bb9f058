"""Trains, evaluates and exports the bundled networks; needs the train extra."""
