"""The commands ``srkd new | train | report ...``: what a stranger types. Of the package
only its first lines import it, to see whether a help alone is asked for."""
