"""What a benchmark's settings for taking part meant before revision 0004, its policy means after."""

import importlib
import json
from dataclasses import replace

import pytest
from policy.policy_world import ASKING
from sqlalchemy import MetaData, insert, text

from medperf.domain.associations import AssociationKind
from medperf.policy.actions import Action, Answer, Scope
from medperf.policy.decision import Policy
from medperf.policy.templates import show
from medperf.server.db.migrate import downgrade, upgrade
from medperf.server.db.session import Database

NEVER = {"mode": "never", "organization_ids": []}
ALWAYS = {"mode": "always", "organization_ids": []}
LISTED = {"mode": "allow_list", "organization_ids": [3, 2, 3]}
NOBODY = {"mode": "allow_list", "organization_ids": []}
MEANT = [
    # datasets, models, of organization: what a dataset and a model of it get
    (NEVER, NEVER, 2, "ask", "ask"),
    (ALWAYS, NEVER, 2, "go_ahead", "ask"),
    (NEVER, ALWAYS, 2, "ask", "go_ahead"),
    (ALWAYS, ALWAYS, 2, "go_ahead", "go_ahead"),
    (LISTED, LISTED, 2, "go_ahead", "go_ahead"),
    (LISTED, LISTED, 4, "ask", "ask"),
    (LISTED, ALWAYS, 4, "ask", "go_ahead"),
    (NOBODY, NOBODY, 2, "ask", "ask"),
]


def answers(policy_text, organization_id):
    policy = Policy(policy_text, Scope.SERVER)
    assert policy.faults == ()
    assert all(rule.choice for rule in show(policy)), "a form can show it again"
    facts = replace(ASKING, organization_id=organization_id)
    return [
        policy.decide(Action.ASSOCIATE, replace(facts, kind=kind)).answer
        for kind in (AssociationKind.DATASET, AssociationKind.MODEL)
    ]


@pytest.mark.parametrize(("datasets", "models", "organization_id", "dataset", "model"), MEANT)
def test_each_setting_keeps_its_meaning(datasets, models, organization_id, dataset, model):
    name = "medperf.server.db.migrations.versions.0004_policies_about_taking_part"
    policy_of = importlib.import_module(name).policy_of
    assert answers(policy_of(datasets, models), organization_id) == [
        Answer(dataset),
        Answer(model),
    ]


def test_the_benchmarks_of_a_database_keep_their_meaning(sqlite_databases):
    database = Database(sqlite_databases.empty())
    upgrade(database, "0003")
    with database.engine.connect() as connection:
        connection.execute(text("PRAGMA foreign_keys = OFF"))
        metadata = MetaData()
        metadata.reflect(connection, only=["benchmarks"], resolve_fks=False)
        benchmarks = metadata.tables["benchmarks"]
        plain = {
            column.name: 1 if str(column.type) in {"INTEGER", "BIGINT", "BOOLEAN"} else "x"
            for column in benchmarks.columns
            if not column.nullable
        }
        plain |= {
            "release_audience": "owners",
            "release_detail": "pooled",
            "release_moment": "approved",
            "state": "approved",
        }
        for number, (datasets, models, *_) in enumerate(MEANT, 1):
            settings = {
                "dataset_auto_approval": json.dumps(datasets),
                "model_auto_approval": json.dumps(models),
            }
            values = {**plain, "id": number, "name": f"b{number}", **settings}
            connection.execute(insert(benchmarks), values)
        connection.commit()
    upgrade(database)
    with database.reading() as connection:
        found = connection.execute(
            text("SELECT association_policy, association_policy_version FROM benchmarks")
        ).all()
    for (policy, version), (*_, organization_id, dataset, model) in zip(found, MEANT, strict=True):
        assert version == 0
        assert answers(policy, organization_id) == [Answer(dataset), Answer(model)]
    downgrade(database, "0003")
    with database.reading() as connection:
        back = connection.execute(text("SELECT dataset_auto_approval FROM benchmarks")).scalars()
        assert {json.loads(each)["mode"] for each in back} == {"never"}
    database.close()
