"""Finds edges, a plugin of napari."""
