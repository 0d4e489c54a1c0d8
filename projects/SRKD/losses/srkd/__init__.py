"""SRKD (arXiv 2506.17290): affinity within super-voxels (AMBRA) and across samples (CSMBGD)."""
