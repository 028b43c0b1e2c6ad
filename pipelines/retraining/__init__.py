"""The decisions of the monthly retraining; what runs them is in `flows`.

Gives: `arrival` (which months are there), `rolling_splits`, `drift`, `comparison`, `promotion`,
`plan` and `outcome` (what was planned, what came of it).
Needs: `archive`, `evaluation`, `training_sets`.
"""
