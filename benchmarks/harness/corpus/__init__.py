"""Corpus: ImJoy's files of others, each loaded and run as a user would do it."""
