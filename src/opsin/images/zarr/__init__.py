"""OME-Zarr and plain zarr, of both formats: nodes, arrays as chunks, and the images in them."""
