"""Runs the stages: chooses engines and puts the pipeline together."""
