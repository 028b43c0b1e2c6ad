"""What all tests share: settings may name classes of the tests, as nobody else's may."""

import os

os.environ.setdefault("MET2NET_TRUSTED_PACKAGES", "tests")
