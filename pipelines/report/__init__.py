"""The pages that people read, as HTML that needs only a browser, and their tables.

Gives: `page` (of a run), `operations` (of the monthly retraining), `storm_example`; `table` is
what a table is, and a file holds one kind of tables.
Needs: `figures`, `evaluation`, `storms`, `training`, `paper`, `maps`.
"""
