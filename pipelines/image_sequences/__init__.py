"""Data sets of image sequences, as training sets of the same form as weather."""
