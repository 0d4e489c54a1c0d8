"""Procedural rooms and streets in the layouts of public data sets, for machines without data.

A plugin of its own beside SRKD, which it stands on (files, info writers) and which never needs it.
They stand for no public benchmark.
"""
