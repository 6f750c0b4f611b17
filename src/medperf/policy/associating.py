"""A benchmark's settings for taking part, as the policy that they mean.

*never* asks a person, *always* accepts everyone, *allow-list* accepts the listed organizations and
asks a person about the others. A benchmark with a policy of its own needs no settings.
"""

from medperf.domain.associations import AssociationKind
from medperf.domain.benchmarks import AutoApproval
from medperf.policy.actions import Scope
from medperf.policy.templates import Choice, compose


def policy_of_settings(datasets: AutoApproval, models: AutoApproval) -> str:
    """Write a benchmark's two settings as one policy of the server's scope."""
    choices = [Choice("ask")]
    choices += _choices(AssociationKind.DATASET, datasets)
    choices += _choices(AssociationKind.MODEL, models)
    return compose(choices, scope=Scope.SERVER)


def _choices(kind: AssociationKind, setting: AutoApproval) -> list[Choice]:
    if setting.mode == "always":
        return [Choice("accept-all", {"what": kind.value})]
    if setting.mode == "allow_list" and setting.organization_ids:
        organizations = list(setting.organization_ids)
        return [
            Choice("accept-organizations", {"what": kind.value, "organizations": organizations})
        ]
    return []
