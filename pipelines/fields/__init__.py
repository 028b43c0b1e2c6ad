"""Fields on grids: regions and named grids, regridding, derived variables, what a month must be.

Gives: `target_grids` (the grid that settings ask for), `regrid` with `regrid_weights`, `derived`,
`verify_month`.
Needs: nothing but the top of `pipelines`.
"""
