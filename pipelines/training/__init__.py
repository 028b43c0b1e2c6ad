"""Training: a job as a file, and a process that turns it into a checkpoint.

Gives: `job` (all that a training needs), `train` (run it, or go on), `process` (what runs),
`warm_start`, `cost` and `profile` (what a step takes).
Needs: `training_sets`.
"""
