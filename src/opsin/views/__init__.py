"""Views: which bricks a canvas gets, in which order, over the stream of protocol/VIEW.md."""
