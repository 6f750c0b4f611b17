"""Facts for tests: the example that nothing special is true of, and strategies around it."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from medperf.policy.actions import Action
from medperf.policy.cases import EXAMPLES
from medperf.policy.facts import (
    AgreementFacts,
    ApprovalFacts,
    AssociationFacts,
    DocumentFacts,
    Facts,
    IsolationFacts,
    UseCounts,
)
from medperf.policy.facts_json import load_facts
from medperf.policy.templates import Choice

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FACTS = replace(load_facts(EXAMPLES[Action.RUN], Facts), document=DocumentFacts(size_bytes=900))
ASKING = load_facts(EXAMPLES[Action.ASSOCIATE], AssociationFacts)

small = st.integers(0, 6)
ids = st.integers(1, 4)
times = st.integers(-2_000, 2_000).map(lambda days: NOW + timedelta(days=days, seconds=days))
lines = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)

agreements = st.builds(
    AgreementFacts,
    id=ids,
    kind=st.sampled_from(["membership", "data_use"]),
    digest=st.just(FACTS.model.digest),
    party_ids=st.frozensets(ids, max_size=3),
    starts_at=times,
    ends_at=times,
)
facts = st.builds(
    replace,
    st.just(FACTS),
    model=st.builds(replace, st.just(FACTS.model), id=ids, owner_id=ids),
    benchmark=st.builds(replace, st.just(FACTS.benchmark), id=ids, owner_id=ids),
    dataset=st.builds(replace, st.just(FACTS.dataset), n_cases=st.integers(0, 300)),
    isolation=st.builds(IsolationFacts, runner=lines),
    now=times,
    purpose=st.text(max_size=12),
    counts=st.builds(
        UseCounts, executions=small, executions_of_model=small, executions_of_model_owner=small
    ),
    agreements=st.lists(agreements, max_size=3).map(tuple),
    approvals=st.builds(ApprovalFacts, n=small, includes_starter=st.booleans()),
    document=st.builds(DocumentFacts, size_bytes=st.integers(0, 2**40), n_suppressed=small),
)

id_lists = st.lists(ids, min_size=1, max_size=3, unique=True)
moments = times.map(lambda moment: moment.isoformat())
eases = st.one_of(
    st.builds(Choice, st.just("unattended-run"), st.fixed_dictionaries({"benchmarks": id_lists})),
    st.builds(
        Choice, st.just("unattended-release"), st.fixed_dictionaries({"benchmarks": id_lists})
    ),
)
limits = st.one_of(
    st.builds(
        Choice, st.just("only-model-owners"), st.fixed_dictionaries({"organizations": id_lists})
    ),
    st.builds(Choice, st.just("only-benchmarks"), st.fixed_dictionaries({"benchmarks": id_lists})),
    st.builds(
        Choice,
        st.just("only-purposes"),
        st.fixed_dictionaries({"purposes": st.lists(lines, min_size=1, max_size=3)}),
    ),
    st.builds(Choice, st.just("until"), st.fixed_dictionaries({"end": moments})),
    st.builds(Choice, st.just("most-per-model"), st.fixed_dictionaries({"most": small})),
    st.builds(Choice, st.just("minimum-cohort"), st.fixed_dictionaries({"least": st.just(50)})),
    st.builds(
        Choice,
        st.just("only-under-agreement"),
        st.fixed_dictionaries({"kind": st.sampled_from(["membership", "data_use"])}),
    ),
    st.builds(
        Choice,
        st.just("several-people-release"),
        st.fixed_dictionaries({"people": st.integers(1, 3), "starter_counts": st.booleans()}),
    ),
)

LATER = NOW + timedelta(days=1)
