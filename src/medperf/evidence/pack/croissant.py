"""A dataset as Croissant metadata: what it is, never what is in it.

https://docs.mlcommons.org/croissant/docs/croissant-spec-1.0.html. The data stay at their site, so
there is no distribution and there are no record sets; the fingerprint says which data are meant.
"""

from typing import Any

from medperf.domain.datasets import Dataset
from medperf.evidence.cohorts import flattened

CONFORMS_TO = "http://mlcommons.org/croissant/1.0"

# The context that the specification prescribes.
_CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def croissant(dataset: Dataset, site: str, organization: str, server: str) -> dict[str, Any]:
    """The metadata of a dataset, as far as the asker may see them."""
    described = dataset.description or f"Dataset {dataset.name}, prepared and registered at {site}."
    about = (
        f"{described} {dataset.n_cases} cases, fingerprint {dataset.fingerprint}. The data do not"
        " leave their site; this file describes them only."
    )
    statistics = [
        {"@type": "sc:PropertyValue", "name": name, "value": value}
        for name, value in flattened(dataset.statistics or {})
    ]
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": CONFORMS_TO,
        "name": dataset.name,
        "description": about,
        "identifier": dataset.fingerprint,
        "url": f"{server}/api/v1/datasets/{dataset.id}",
        "version": f"{dataset.version}.0.0",
        "datePublished": f"{dataset.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "license": "https://w3id.org/5s-crate/0.4#safe-data",
        "creator": {"@type": "sc:Organization", "name": organization},
        "publisher": {"@type": "sc:Organization", "name": site},
        "citeAs": f"{organization}. {dataset.name}, version {dataset.version}."
        f" {dataset.fingerprint}",
        "isLiveDataset": False,
        "rai:personalSensitiveInformation": "Health data of patients; they stay at the site.",
        **({"variableMeasured": statistics} if statistics else {}),
    }
