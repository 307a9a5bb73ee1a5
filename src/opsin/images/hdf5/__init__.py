"""What the HDF5 reader stands on: the file, its datasets as chunks, and layouts with a meaning."""
