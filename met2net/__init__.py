"""Met2Net: decoupled two-stage spatio-temporal forecasting of the weather."""

__all__ = ["__version__"]

# Written out, not asked from the installation: a registered model carries this package as
# plain code to places where nothing is installed.
__version__ = "0.1.0"
