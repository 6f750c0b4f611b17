"""What it costs, per execution, that every step is asked for, signed, written down and proven.

Each part is the real one, on a disk that is made to keep what is written: four policy decisions at
the site (before a run, at its start, at the check, at the sending), three signatures made and four
verified, one line in the site's ledger, two leaves in the server's log with the proof that comes
back. Beside the sum stands the shortest model there is: a process that is started and ends.
"""

import subprocess
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from bench.scenes.leaderboard_bundle import NOON, inputs, metrics
from bench.table import Row, median_s, show
from medperf.domain.clock import system_clock
from medperf.policy.actions import Action
from medperf.policy.cases import EXAMPLES
from medperf.policy.decision import Policy
from medperf.policy.facts import Facts
from medperf.policy.facts_json import load_facts
from medperf.policy.templates import DEFAULT, Choice, compose
from medperf.provenance.canonical import digest_of
from medperf.provenance.envelope import Envelope, sign, verify
from medperf.provenance.grant_check import grant_faults
from medperf.provenance.keys import PrivateKey
from medperf.provenance.predicates import GrantPredicate, ResultPredicate
from medperf.provenance.request_signing import sign_request, verify_request
from medperf.provenance.statements import make_statement, read_statement
from medperf.server.call import Call, Caller, Identity
from medperf.server.db.migrate import upgrade
from medperf.server.db.session import Database
from medperf.server.log import reading
from medperf.server.log.appending import Said, append
from medperf.server.log.keys import ServerKeys
from medperf.server.log.signing import LogSigner
from medperf.site.store import ledger
from medperf.site.store.connection import Store
from medperf.site.store.ledger import Ledger

DECISIONS = 4
RUNS = 25
STRICT = (
    Choice("only-model-owners", {"organizations": [2, 5, 7]}),
    Choice("only-benchmarks", {"benchmarks": [1, 4]}),
    Choice("until", {"end": "2030-01-01T00:00:00+00:00"}),
    Choice("most-per-model", {"most": 5}),
    Choice("minimum-cohort", {"least": 50}),
)


def main() -> None:
    """Measure the parts and add them up."""
    facts = load_facts(EXAMPLES[Action.RUN], Facts)
    lax, strict = Policy(compose(DEFAULT)), Policy(compose(STRICT))
    decide = median_s(partial(lax.decide, Action.RUN, facts), runs=RUNS)
    decide_strict = median_s(partial(strict.decide, Action.RUN, facts), runs=RUNS)
    site, server = PrivateKey.generate(), PrivateKey.generate()
    signing = median_s(partial(_sign, site, server), runs=RUNS)
    grant, result = _sign(site, server)
    verifying = median_s(partial(_verify, site, server, grant, result), runs=RUNS)
    with tempfile.TemporaryDirectory() as folder:
        writing = _ledger(Path(folder) / "store.db", result)
        logging = _log(Path(folder) / "log.sqlite", server)
    together = DECISIONS * decide_strict + signing + verifying + writing + logging
    nothing = median_s(partial(subprocess.run, [sys.executable, "-Sc", ""], check=True))
    rows = [
        Row("a policy decision, the default policy", 1000 * decide, "ms"),
        Row("a policy decision, five limits", 1000 * decide_strict, "ms"),
        Row("signing: grant, result, request", 1000 * signing, "ms"),
        Row("verifying: grant, result and its grant, request", 1000 * verifying, "ms"),
        Row("a line in the ledger, on the disk", 1000 * writing, "ms"),
        Row("two leaves in the log, on the disk, and a proof", 1000 * logging, "ms"),
        Row(
            "together, for one execution", 1000 * together, "ms", 1000 * nothing, "an empty process"
        ),
    ]
    show("what trust adds to one execution", rows)


def _sign(site: PrivateKey, server: PrivateKey) -> tuple[Envelope, Envelope]:
    granted = GrantPredicate(
        **inputs(1, 1).model_dump(),
        grant_id=1,
        nonce="n" * 43,
        server="Bench",
        site_id=1,
        site_key_id=site.key_id,
        issued_at=NOON,
        expires_at=NOON + timedelta(days=1),
    )
    grant = sign(make_statement(granted.subjects(), granted), server)
    document = {"schema": "medperf.results/v1", "n_cases": 100, "metrics": metrics(1, 1)}
    said = ResultPredicate(
        **inputs(1, 1).model_dump(),
        grant_digest=grant.payload_digest,
        grant_id=1,
        site_id=1,
        result=document,
        result_digest=digest_of(document),
        runner="podman",
        isolation={},
    )
    result = sign(make_statement(said.subjects(), said), site)
    sign_request(site, "POST", "/api/v1/results", "0" * 64, NOON)
    return grant, result


def _verify(site: PrivateKey, server: PrivateKey, grant: Envelope, result: Envelope) -> None:
    known = {site.key_id: site.public, server.key_id: server.public}
    header = sign_request(site, "POST", "/api/v1/results", "0" * 64, NOON)
    verify_request(header, "POST", "/api/v1/results", "0" * 64, keys=known, now=NOON)
    permitted = read_statement(verify(grant, known), GrantPredicate)
    said = read_statement(verify(result, known), ResultPredicate).predicate
    verify(grant, known)
    if grant_faults(said, {site.key_id}, permitted):
        raise AssertionError("the result answers its grant")


def _ledger(path: Path, result: Envelope) -> float:
    content = result.to_bytes()
    with Store(path, (ledger.TABLES,)) as store:
        lines = Ledger(store, system_clock)
        numbers = iter(range(10**6))

        def write() -> None:
            subject = f"execution:{next(numbers)}"
            lines.write("result", subject, content, released_by="A person", role="output checker")

        return median_s(write, runs=RUNS)


def _log(path: Path, server: PrivateKey) -> float:
    keys = ServerKeys(server)
    log = LogSigner(keys)
    identity = Identity("Bench", keys, lambda: "x" * 32, timedelta(hours=1), log)
    database = Database(f"sqlite:///{path}")
    upgrade(database)
    envelope = sign(b'{"pad":"%s"}' % (b"x" * 2000), server)

    def write() -> None:
        for kind in ("grant", "result"):
            with database.writing() as connection:
                call = Call(connection, Caller(), datetime.now(UTC), identity)
                append(call, Said(kind, "execution:1", envelope))
        with database.reading() as connection:
            reading.inclusion(connection, log, 0)

    seconds = median_s(write, runs=RUNS)
    database.close()
    return seconds


if __name__ == "__main__":
    main()
