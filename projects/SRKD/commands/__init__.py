"""The commands ``srkd new | train | report ...``: what a stranger types. Nobody imports it."""
