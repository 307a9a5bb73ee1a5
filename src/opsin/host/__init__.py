"""Host: the thing that plugins plug into: which there are, running them, what comes of it."""
