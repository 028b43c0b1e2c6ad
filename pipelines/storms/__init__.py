"""Tropical cyclones followed in the analysis and in forecasts, beside their best tracks.

Gives: `follow` (all storms of a split), `tracks` (one), `best_tracks`, `checks` (before anything
is trained).
Needs: `training_sets`, `fields`.
"""
