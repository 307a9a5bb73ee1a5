"""Plugins: what their files say of them, read without running any of their code."""
