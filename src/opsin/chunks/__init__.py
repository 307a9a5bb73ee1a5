"""Chunks: what to load for a view, in which order, and a bounded memory for it."""
