"""A benchmark that goes on: a new version runs only what it affects, at real sites."""


def ran(federation):
    """Which model ran on which dataset, once for each execution that ended with a result."""
    return sorted(
        (each.model_id, each.dataset_id)
        for each in federation.executions()
        if each.state == "completed"
    )


def test_a_new_version_of_a_model_runs_once_at_every_site_and_nothing_else_does(federation):
    first, other = federation.add_model("Model A"), federation.add_model("Model B")
    sites = [federation.add_site("Hospital One"), federation.add_site("Hospital Two")]
    for site in sites:
        site.settle()
    before = ran(federation)
    assert len(before) == 4
    done = {site.folder: len(site.tasks_run()) for site in sites}
    second = federation.next_version(first)
    for site in sites:
        site.settle()
        assert site.tasks_run()[done[site.folder] :] == ["infer", "evaluate"]
    new = [(second.id, site.dataset.id) for site in sites]
    assert ran(federation) == sorted(before + new)
    assert {first.id, other.id} == {model for model, _ in before}
    [line] = federation.committee.benchmarks.trend(federation.benchmark.id).lines
    assert (line.kind, [point.version for point in line.points]) == ("model", [1, 2])


def test_a_new_version_of_a_dataset_runs_under_every_model_at_its_site_alone(federation):
    models = [federation.add_model("Model A"), federation.add_model("Model B")]
    changed, other = federation.add_site("Hospital One"), federation.add_site("Hospital Two")
    for site in (changed, other):
        site.settle()
    before, done = ran(federation), len(other.tasks_run())
    dataset = federation.next_dataset(changed)
    for site in (changed, other):
        site.settle()
    assert len(other.tasks_run()) == done
    assert ran(federation) == sorted(before + [(model.id, dataset.id) for model in models])
    lines = federation.committee.benchmarks.trend(federation.benchmark.id).lines
    assert {(line.kind, line.model_id) for line in lines} == {
        ("dataset", model.id) for model in models
    }


def test_nothing_runs_again_where_no_version_is_new(federation):
    federation.add_model("Model A")
    site = federation.add_site("Hospital One")
    site.settle()
    done = site.tasks_run()
    site.settle()
    assert site.tasks_run() == done
