"""Isolation: what keeps a worker apart from the rest of the computer, and by which means."""
