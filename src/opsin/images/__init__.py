"""Images: multiscale n-dimensional arrays with axes and world coordinates, and their readers."""
