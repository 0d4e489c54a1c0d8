"""PointDistiller (arXiv 2205.11098): local graphs of important rows, reweighted."""
