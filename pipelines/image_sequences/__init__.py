"""Data sets of image sequences, as training sets of the same form as weather.

Gives: `sequence_set` (build one), `sequences` (what a source of sequences is), and a file a data
set.
Needs: `training_sets`.
"""
