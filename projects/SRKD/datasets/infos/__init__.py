"""Info files and databases, written from the files that data sets come in."""
