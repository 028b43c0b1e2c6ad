"""A trained model on new weather, written as CF netCDF and Zarr.

Gives: `model` (find one), `inputs` (the hours it starts from), `forecast`, `cyclones`.
Needs: `registry`, `sources`, `formats`, `fields`.
"""
