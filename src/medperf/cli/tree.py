"""The command tree as a table: names, one line of help, and the module that is loaded when needed.

``medperf --help`` reads this table and loads none of the modules, so it stays fast.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Branch:
    """One command of the root: ``module`` defines it as ``command``."""

    name: str
    module: str
    help: str


SECTIONS: tuple[tuple[str, tuple[Branch, ...]], ...] = (
    (
        "You and your server",
        (
            Branch("login", "medperf.cli.login", "Come in with an invitation."),
            Branch("logout", "medperf.cli.logout", "Forget a login and revoke its access."),
            Branch("whoami", "medperf.cli.whoami", "Who the server takes you for."),
            Branch("profile", "medperf.cli.profile", "The logins of this machine."),
            Branch("doctor", "medperf.cli.doctor", "What this machine can do, and remedies."),
            Branch("completion", "medperf.cli.completion", "Completion for your shell."),
        ),
    ),
    (
        "Who takes part",
        (
            Branch("organization", "medperf.cli.organization", "Hospitals, companies, bodies."),
            Branch("user", "medperf.cli.user", "People."),
            Branch("invitation", "medperf.cli.invitation", "How people and sites come in."),
            Branch("key", "medperf.cli.key", "Your own key, which signs what you decide."),
            Branch("agreement", "medperf.cli.agreement", "What organizations sign together."),
            Branch("audit", "medperf.cli.audit", "Who did what, and when."),
        ),
    ),
    (
        "Benchmarks and models",
        (
            Branch("container", "medperf.cli.container", "Preparators, models, evaluators."),
            Branch("model", "medperf.cli.model", "AI models."),
            Branch("benchmark", "medperf.cli.benchmark", "Clinical tasks and their leaderboards."),
            Branch("association", "medperf.cli.association", "What takes part in a benchmark."),
            Branch(
                "compatibility-test",
                "medperf.cli.compatibility_test",
                "Run a whole benchmark workflow here.",
            ),
        ),
    ),
    (
        "Data and results",
        (
            Branch("dataset", "medperf.cli.dataset", "Data that never leaves its site."),
            Branch("run", "medperf.cli.run", "Run what is outstanding, now."),
            Branch("execution", "medperf.cli.execution", "One model on one dataset."),
            Branch("result", "medperf.cli.result", "The estimates of executions."),
            Branch("verify", "medperf.cli.verify", "Check results offline, trusting one key."),
            Branch("log", "medperf.cli.log", "The transparency log."),
        ),
    ),
    (
        "Programs",
        (
            Branch("site", "medperf.cli.site", "The agent beside the data, and its people."),
            Branch("bundle", "medperf.cli.bundle", "What a courier carries to and from a site."),
            Branch("policy", "medperf.cli.policy", "A site's own rules about its data."),
            Branch("server", "medperf.cli.server", "The coordination server."),
        ),
    ),
)
"""Everything below ``medperf``, in the order the help shows it."""

BRANCHES = {branch.name: branch for _, branches in SECTIONS for branch in branches}
