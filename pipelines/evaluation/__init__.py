"""Scores of trained networks and baselines, and a look inside the networks.

Gives: `evaluate` (`scores.nc`, statistics, worked windows), `analyze` (`analysis.nc`),
`settings`, `protocol`, `summary` (what scores say).
Needs: `storms`, `training`, `image_sequences`, `training_sets`, `maps`, `fields`.
"""
