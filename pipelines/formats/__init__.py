"""File formats: from the bytes of GRIB, netCDF or zip to fields of one form.

Gives: `decode` (any file), `canonical` (the one form of fields), `file_format` (told by first
bytes), `grib`.
Needs: nothing but the top of `pipelines`.
"""
