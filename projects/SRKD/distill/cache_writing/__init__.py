"""Storing what a teacher says about every scan, once: ``tools/cache_teacher.py``."""
