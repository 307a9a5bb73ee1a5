"""Transports: ways to carry frames: `send`, `receive`, `close`. Adding one is adding a file."""
