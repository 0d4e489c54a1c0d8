"""Colors that every eye can tell apart."""

OKABE_ITO = ('#0072B2', '#D55E00', '#009E73', '#CC79A7', '#E69F00', '#56B4E9', '#000000')
"""Lines, in this order: the palette of Okabe and Ito without its yellow, which white paper hides.
https://jfly.uni-koeln.de/color/"""

UNLABELED = (0.85, 0.85, 0.85)
"""Points without a label."""

RIGHT, WRONG = (0.72, 0.85, 0.95), (0.0, 0.0, 0.0)
"""Pale and dark part for every eye, and neither is a class of a shipped data set."""
