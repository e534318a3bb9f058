"""Corpora as they lie on disk, read into rows that every task shares; no torch here."""
