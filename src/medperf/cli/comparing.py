"""Two models against each other, and versions after each other, as a person reads them."""

from collections.abc import Mapping
from typing import Any

from medperf.cli.figures import bracketed, decimals_of, p_value, signed
from medperf.cli.output import terminal_width, write
from medperf.cli.tables import Column, layout
from medperf.cli.text import printable

_SAYS = {
    "superior": "{first} is better than {second}",
    "inferior": "{first} is worse than {second}",
    "non_inferior": "{first} is not worse than {second} by {margin:g} or more",
    "inconclusive": "the data cannot tell which of the two is better",
}


def show_comparison(found: Mapping[str, Any]) -> None:
    """Write a comparison: the difference, how sure it is, and what that allows to say."""
    mark = "exploratory, not in the analysis plan" if found["is_exploratory"] else "as planned"
    write(printable(f"{found['first']} less {found['second']}, {found['metric']} ({mark})"))
    if found["difference"] is None:
        write("no difference can be shown")
    else:
        over = f"{found['n']} cases of {found['n_sites']} datasets that both ran on"
        write(f"difference   {_difference(found['difference'], found.get('interval'))}, {over}")
    if found["p_value"] is not None:
        adjusted = found["p_adjusted"]
        of_many = "" if adjusted is None else f", adjusted for all pairs {p_value(adjusted)}"
        write(f"p            {p_value(found['p_value'])}{of_many}")
    if found["margin"] is not None:
        write(f"margin       {found['margin']:g}")
    said = _SAYS[found["verdict"]].format(**found)
    write(printable(f"verdict      {found['verdict'].replace('_', '-')}: {said}"))
    for said in found["notes"]:
        write(f"note         {said}")


def show_trend(trend: Mapping[str, Any]) -> None:
    """Write a trend: each line's versions, and alarms where one is worse for sure."""
    write(printable(f"{trend['benchmark']}: {trend['primary'] or 'free-form'} over versions"))
    if trend["withheld_reason"]:
        write(trend["withheld_reason"])
    rows = [
        {**point, "what": _title(line), "change": _change(point), "alarm": _alarm(point)}
        for line in trend["lines"]
        for point in line["points"]
    ]
    if not rows:
        write("Nothing here has a second version yet.")
        return
    columns = [
        Column("of", "what"),
        Column("version", "version"),
        Column(trend["primary"] or "", value=bracketed),
        Column("cases", "n"),
        Column("change", "change"),
        Column("adjusted p", value=lambda row: p_value(row["p_adjusted"])),
        Column("", "alarm"),
    ]
    write(layout(rows, columns, terminal_width()))
    write(
        f"\n{trend['n_worse']} versions are worse than the one before for sure."
        if trend["n_worse"]
        else "\nNo version is worse than the one before for sure."
    )


def _title(line: Mapping[str, Any]) -> str:
    named = f"{line['kind']} {line['name']}"
    return named if line["model"] is None else f"{named}, {line['model']}"


def _change(point: Mapping[str, Any]) -> str:
    if point["difference"] is None:
        return "-"
    return _difference(point["difference"], point["difference_interval"])


def _difference(value: float, interval: Mapping[str, Any] | None) -> str:
    places = decimals_of(interval)
    if not interval:
        return signed(value, places)
    lower, upper = (signed(interval[end], places) for end in ("lower", "upper"))
    return f"{signed(value, places)} ({lower} to {upper})"


def _alarm(point: Mapping[str, Any]) -> str:
    return "WORSE" if point["is_worse"] else "-"
