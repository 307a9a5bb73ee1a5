"""Server: the web app, the view stream and a few commands over HTTP, on one address."""
