"""Where weather comes from; every source gives one month of fields in the same form.

Gives: `source` (what a source is) and a file a source: `cds`, `arco`, `weatherbench`, `files`,
`gcm`, `generated`.
Needs: `fields`, `formats`.
"""
