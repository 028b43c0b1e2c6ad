"""What maps show, and coastlines; drawing is the business of `figures`.

Gives: `settings` (lead times and coastlines of maps), `coastlines`.
Needs: nothing but the top of `pipelines`.
"""
