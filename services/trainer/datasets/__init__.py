"""Readers of corpora on disk: rows that every task shares, without torch."""
