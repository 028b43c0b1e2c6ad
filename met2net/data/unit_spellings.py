"""Spellings of units: what means the same, as `m s**-1` and `m s-1`."""

__all__ = ["same_units"]

# One spelling for each unit; keys without "**" and in lower case.
_UNIT_SPELLINGS = {
    "(0 - 1)": "1", "0-1": "1", "dimensionless": "1", "~": "1", "fraction": "1",
    "percent": "%", "kelvin": "K", "k": "K", "degk": "K", "pa": "Pa", "pascal": "Pa",
    "pascals": "Pa",
    "m/s": "m s-1", "kg/kg": "kg kg-1", "m2/s2": "m2 s-2", "j/m2": "J m-2", "j m-2": "J m-2",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m",
}  # fmt: skip


def same_units(found: str, expected: str) -> bool:
    """Tell whether two spellings mean the same unit, as `m s**-1` and `m s-1`."""
    return _plain_units(found) == _plain_units(expected)


def _plain_units(text: str) -> str:
    plain = text.replace("**", "").replace("^", "").strip()
    return _UNIT_SPELLINGS.get(plain.lower(), plain)
