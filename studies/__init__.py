"""Comparisons that order whole trainings and need the checkout: demos, studies, what they found.

Run them from the repository's root: ``python -m studies.study_mini``.
"""
