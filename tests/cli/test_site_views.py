"""What of a site's things is shown where there are many of them."""

from medperf.cli import site_views
from medperf.cli.site_views import jobs_to_show


def job(number, state="reported", waiting_for=""):
    return {"job_id": number, "state": state, "waiting_for": waiting_for}


def test_jobs_that_are_done_give_way_to_newer_ones_and_open_ones_never(monkeypatch):
    monkeypatch.setattr(site_views, "MOST_DONE", 2)
    jobs = [
        job(1, "waiting_to_release"),
        job(2),
        job(3, "failed"),
        job(4, "failed", "the server, to hear of it"),
        job(5, "rejected"),
        job(6),
        job(7, "queued"),
    ]
    assert [one["job_id"] for one in jobs_to_show(jobs)] == [1, 4, 5, 6, 7]


def test_few_jobs_are_all_shown():
    assert jobs_to_show([]) == []
    assert len(jobs_to_show([job(1), job(2)])) == 2
