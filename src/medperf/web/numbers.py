"""How numbers are written for people: the same on the page, in a file and in a table."""

from medperf.domain.leaderboards import IntervalRecord

NONE = "—"
_SMALLEST_P = 0.001


def number(value: float | None, decimals: int = 3) -> str:
    """With a fixed number of decimals, so that columns line up; a dash where there is none."""
    if value is None:
        return NONE
    text = f"{value:.{decimals}f}"
    # A minus before nothing but zeros would say that there is something.
    return text.removeprefix("-") if float(text) == 0 else text


def interval(record: IntervalRecord | None, decimals: int = 3) -> str:
    """From lower to upper; 'to', because a hyphen before a minus cannot be read."""
    if record is None:
        return NONE
    return f"{number(record.lower, decimals)} to {number(record.upper, decimals)}"


def estimate(value: float | None, record: IntervalRecord | None, decimals: int = 3) -> str:
    """A value with its interval behind it, where it has one."""
    if value is None or record is None:
        return number(value, decimals)
    return f"{number(value, decimals)} ({interval(record, decimals)})"


def probability(value: float | None) -> str:
    """A p-value; what is smaller than it can be written is said to be smaller."""
    return "<0.001" if value is not None and value < _SMALLEST_P else number(value)


def percent(share: float | None) -> str:
    """A share (0 to 1) in whole percent."""
    return NONE if share is None else f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def count(value: int | None) -> str:
    """A whole number with thin groups of thousands."""
    return NONE if value is None else f"{value:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def size(value: int | None) -> str:
    """Bytes in MiB or GiB."""
    if value is None:
        return NONE
    mebibytes = value / 2**20
    return f"{mebibytes / 1024:.2f} GiB" if mebibytes >= 1024 else f"{mebibytes:.0f} MiB"  # noqa: PLR2004 - the unit


def seconds(value: float | None) -> str:
    """Seconds with three significant digits."""
    return NONE if value is None else f"{value:.3g} s"
