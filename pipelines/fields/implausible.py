"""What is possible in range and impossible in kind: kinds of findings, and which are accepted.

A field of zeros, or yesterday's field once more, passes every limit. Such findings refuse a month
unless the data set's settings name variable and kind: `data.accept: [tp:zero_fields]`.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from met2net.data.variables import known_variables, variable
from pipelines.errors import DataError

__all__ = ["KINDS", "Finding", "check_accept", "refuse_unless_accepted"]

KINDS = {
    "mean_jump": "a month's mean far outside those of all other months in the archive",
    "other_unit": "numbers of another unit than said, within the limits by chance",
    "repeated_fields": "the same field for hours, or the same hours once more",
    "repeated_month": "exactly the values of another month",
    "running_sums": "sums that grow until they start anew, in place of sums of an hour",
    "unchanging_points": "points that keep one value while others change: a lost fill value",
    "zero_fields": "nothing but zeros for days after days of weather",
}
"""Name of each kind, and what it is."""


@dataclass(frozen=True)
class Finding:
    """Something that weather does not do.

    Attributes:
        variable: CDS long name.
        kind: one of `KINDS`.
        text: what was found, where and when, and what was expected.
    """

    variable: str
    kind: str
    text: str

    @property
    def setting(self) -> str:
        """What accepts it, as `tp:zero_fields`."""
        return f"{variable(self.variable).label}:{self.kind}"


def check_accept(accept: Iterable[str]) -> tuple[str, ...]:
    """Give the findings that a data set accepts, sorted, each once.

    Raises:
        ValueError: if a text is not `<label>:<kind>` of a known variable and kind.
    """
    checked, labels = set(), {known.label for known in known_variables()}
    for text in accept:
        label, _, kind = str(text).partition(":")
        if label not in labels or kind not in KINDS:
            raise ValueError(
                f"accept has {text!r}; expected a variable's label and one of "
                f"{', '.join(KINDS)}, as tp:zero_fields"
            )
        checked.add(f"{label}:{kind}")
    return tuple(sorted(checked))


def refuse_unless_accepted(findings: Iterable[Finding], accept: Sequence[str]) -> list[str]:
    """Give the accepted findings as texts to record, setting first.

    Raises:
        DataError: with the first finding that is not accepted, and how it could be.
    """
    accepted = []
    for finding in findings:
        if finding.setting not in accept:
            raise DataError(
                f"{finding.text}. If it is right all the same: data.accept=[{finding.setting}]"
            )
        accepted.append(f"{finding.setting}: {finding.text}")
    return accepted
