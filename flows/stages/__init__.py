"""What the flows' tasks share: names, times, retries, one GPU for all, the job of a model.

Gives: `stage`, `retrying`, `gpu_slot`, `cds_secret`, `prepare_data`, `model_job`, `train_model`,
`side_by_side`.
Needs: `settings`.
"""
