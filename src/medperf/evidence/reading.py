"""How to read the numbers of a leaderboard, said beside them and only of those that are there."""

from collections.abc import Iterator

from medperf.domain.leaderboards import Leaderboard
from medperf.web.numbers import percent

SUBGROUPS = (
    "Subgroups were fixed in the plan. A gap is between the best and the worst of a variable; its"
    " interval counts that there are many pairs to pick from. Where it holds 0, the data do not"
    " show that the groups differ."
)
CALIBRATION = (
    "Of the cases with a score near 0.8, do about 80 % have the condition? Each point is the mean"
    " score of a bin and the observed share with its interval; on the dashed line both agree. Above"
    " it scores are too low, below it too high."
)
HEAP = (
    "Sites' own AUROCs compare only cases of the same site. Over all cases in one heap it falls"
    " where scores mean different things at different sites. It comes from counts of scores in"
    " bins; the bounds are those between which the AUROC of the scores themselves must lie, and"
    " are far apart where a bin holds many cases of both classes."
)
COST = (
    "The median over results of the time that a model ran for each case, and of the most memory it"
    " took, as sites sign them. Machines differ between sites: compare models that ran on the same."
)


def of_models(board: Leaderboard) -> str:
    """What the columns of the models in order mean."""
    return " ".join(_columns(board))


def of_sites(board: Leaderboard) -> str:
    """What the table of differences between sites means."""
    return (
        "Tau is the standard deviation between the sites' true values, in units of"
        f" {board.primary}; I² is the share of the visible differences between sites that is not"
        " chance. Next site is where the value at a further site is expected, the pale band in the"
        " figure; it needs three sites and a plan that takes sites as examples of more. The worst"
        " of several sites is low by chance as well: read its interval."
    )


def of_comparisons(board: Leaderboard) -> str:
    """What p-values and verdicts mean."""
    said = (
        f"Each two models by {board.primary} on the same patients: the first less the second. p is"
        " how often a difference this large would show between equally good models. Interval and p"
        " are of one comparison by itself; adjusted p counts that each is one of many (Holm). The"
        " verdict is about the first and goes by adjusted p: it may be open where the interval"
        " leaves out 0. Superior, inferior: better or worse for sure. Inconclusive: the data cannot"
        " tell, which is not the same as equal."
    )
    margin = next((each.margin for each in board.comparisons if each.margin is not None), None)
    if margin is None:
        return said
    return f"{said} Non-inferior: not worse by more than {margin:g}, the plan's margin."


def _columns(board: Leaderboard) -> Iterator[str]:
    intervals = [cell.interval for row in board.rows for cell in row.cells if cell.interval]
    if intervals:
        yield (
            f"In brackets behind a value: its {percent(intervals[0].level)} interval, the values"
            " that the data do not speak against."
        )
    if any(row.rank_from is not None for row in board.rows):
        yield (
            "In brackets behind a rank: the ranks that the data do not exclude, for all models at"
            " once. Models of one tie the data cannot tell apart."
        )
    if any(row.share_first is not None for row in board.rows):
        yield (
            "First: the share of draws of what could have been seen in which a model leads. It is"
            " about one model, while a tie holds for all pairs at once and demands more: a model"
            " may lead in most draws and still share its tie. Take the tie for what is shown, and"
            " the share for a hint of who is likely ahead."
        )
    yield (
        "Results: datasets with a result, of those that take part. Failed: cases that a model gave"
        " no usable answer for; they count in no value."
    )
