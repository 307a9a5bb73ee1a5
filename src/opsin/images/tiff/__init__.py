"""What the TIFF reader stands on: pages as chunks, and what files say of scale and channels."""
