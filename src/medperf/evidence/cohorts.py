"""Cohort tables: what each dataset holds, as far as the asker may see."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medperf.domain.datasets import Dataset
from medperf.evidence.dossier import Dossier
from medperf.web.document import Block, Paragraph, TableBlock
from medperf.web.figures import Table
from medperf.web.numbers import NONE, count

_MOST_ROWS = 400


def cohorts(dossier: Dossier) -> Iterator[Block]:
    """Every dataset, and the statistics of those whose statistics may be seen."""
    if not dossier.datasets:
        yield Paragraph("No dataset is visible to the one for whom this was written.")
        return
    yield TableBlock("Datasets", _datasets(dossier))
    seen = [dataset for dataset in dossier.datasets if dataset.statistics]
    if not seen:
        yield Paragraph("Statistics of the datasets are not visible to the one who asked.")
        return
    yield Paragraph(
        "Statistics are those that the benchmark's preparator computed and each site released when"
        " it registered its dataset."
    )
    yield TableBlock("Statistics of each dataset", _statistics(dossier, seen), is_folded=True)


def flattened(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Leaves of nested values, each with its path."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            yield from flattened(child, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple):
        for index, child in enumerate(value):
            yield from flattened(child, f"{path}.{index}")
    elif isinstance(value, float):
        yield path, f"{value:g}"
    else:
        yield path, NONE if value is None else str(value)


def _datasets(dossier: Dossier) -> Table:
    return Table(
        ("Dataset", "Site", "Cases", "Version", "Registered", "Fingerprint"),
        tuple(
            (
                dataset.name,
                dossier.site_of(dataset.site_id),
                count(dataset.n_cases),
                str(dataset.version),
                f"{dataset.created_at:%Y-%m-%d}",
                dataset.fingerprint,
            )
            for dataset in dossier.datasets
        ),
        numeric=frozenset({2, 3, 4}),
        exact=frozenset({5}),
    )


def _statistics(dossier: Dossier, datasets: Sequence[Dataset]) -> Table:
    columns = [dict(flattened(dataset.statistics)) for dataset in datasets]
    paths = list(dict.fromkeys(path for column in columns for path in column))[:_MOST_ROWS]
    names = [dossier.site_of(dataset.site_id) for dataset in datasets]
    return Table(
        ("Statistic", *names),
        tuple((path, *(column.get(path, NONE) for column in columns)) for path in paths),
        numeric=frozenset(range(1, len(names) + 1)),
    )
