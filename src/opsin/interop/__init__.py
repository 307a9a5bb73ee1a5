"""Interop: other software that Opsin speaks with in that software's own protocol."""
