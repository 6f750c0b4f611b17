"""A site's folder and a fake runner in which every image is an honest container of its role."""

import io
import random
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import yaml

from medperf.runners.fake import FakeRunner
from medperf.runners.selection import RunnerSet
from medperf.site.app import open_site
from medperf.site.events import site_log
from medperf.site.settings import set_settings


class TestSite:
    """A site's folder and the runner on its machine, opened as often as a test likes."""

    __test__ = False

    def __init__(self, folder: Path):
        self.folder = folder
        self.runner = FakeRunner()
        self.log = io.StringIO()
        self.functions = {"infer": infer, "evaluate": evaluate}

    def set(self, **settings):
        changes = {key: str(value) for key, value in settings.items()}
        set_settings(self.folder / "site.yaml", changes)

    def let(self, text):
        """Put a policy in force, as the site's people would."""
        with self.opened() as site:
            site.policy.put_in_force(text)

    @contextmanager
    def opened(self, **options):
        site = open_site(
            self.folder,
            **{
                "runners": RunnerSet([_AnyImage(self)]),
                "log": site_log(self.log, strict=True),
                "rng": random.Random(1),
            }
            | options,
        )
        try:
            yield site
        finally:
            site.close()

    def settle(self, **options):
        with self.opened(**options) as site:
            site.agent().settle()
            return [job.state for job in site.jobs.in_states()]

    @contextmanager
    def running(self, **options):
        stop = threading.Event()
        with self.opened(**options) as site:
            agent = site.agent()
            thread = threading.Thread(target=agent.run, args=(stop,), kwargs={"poll_wait_s": 2})
            thread.start()
            try:
                yield site
            finally:
                stop.set()
                agent.wake()
                thread.join(120)
                assert not thread.is_alive()

    def tasks_run(self):
        return [task for _, task in self.runner.runs]


class _AnyImage:
    """The site's fake runner, in which every image is an honest container of its role."""

    def __init__(self, site):
        self._site = site

    def __getattr__(self, name):
        return getattr(self._site.runner, name)

    def resolve(self, config, **options):
        for task in config.tasks:
            function = self._site.functions.get(task)
            if function is not None:
                self._site.runner.register(config.image, task, function)
        return self._site.runner.resolve(config, **options)


def wait_until(condition, within_s=120):
    """Wait for something that other threads bring about."""
    end = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.02)


def infer(call):
    for source in call.paths["data_path"].iterdir():
        (call.paths["output_path"] / source.name).write_text("0.5")


def evaluate(call):
    n_cases = len(list(call.paths["predictions"].iterdir()))
    estimate = {"name": "accuracy", "value": 0.91234567, "n": n_cases}
    document = {"schema": "medperf.results/v1", "n_cases": n_cases, "metrics": [estimate]}
    call.paths["output_path"].write_text(yaml.safe_dump(document))
