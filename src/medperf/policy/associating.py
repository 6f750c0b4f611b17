"""A benchmark's policy about taking part: any Cedar of the server's scope, or *ask a person*."""

from medperf.policy.actions import Scope
from medperf.policy.decision import Policy
from medperf.policy.templates import DEFAULT, compose


def association_policy(text: str) -> Policy:
    """The policy that a benchmark's owner wrote; without any text, a person is asked.

    Raises:
        MalformedFileError: it has faults; the message names each with its line.
    """
    policy = Policy(text.strip() or compose(DEFAULT, scope=Scope.SERVER), Scope.SERVER)
    policy.demand_valid()
    return policy
