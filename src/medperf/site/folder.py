"""Where everything of a site lies on disk: one folder that only its user may enter."""

import os
from dataclasses import dataclass
from pathlib import Path

from medperf.domain.errors import ConflictError, NotFoundError


@dataclass(frozen=True, slots=True)
class SiteFolder:
    """The paths inside a site's folder."""

    root: Path

    @property
    def settings(self) -> Path:
        """Who the site is and what it allows; a person may edit it."""
        return self.root / "site.yaml"

    @property
    def policy(self) -> Path:
        """The rules about this site's data; 'medperf policy set' puts them in force."""
        return self.root / "policy.cedar"

    @property
    def key(self) -> Path:
        """The private key, readable by its owner alone."""
        return self.root / "site-key.pem"

    @property
    def next_key(self) -> Path:
        """The key that is to follow, until the server knows it."""
        return self.root / "site-key.next.pem"

    @property
    def bootstrap_secret(self) -> Path:
        """What the weights of bootstrap replicates are drawn from; belongs into the backup."""
        return self.root / "bootstrap-secret"

    @property
    def store(self) -> Path:
        """The SQLite file."""
        return self.root / "store.db"

    @property
    def log(self) -> Path:
        """The server's log as this site saw it last, and evidence if it ever forked."""
        return self.root / "log"

    @property
    def enrolling(self) -> Path:
        """What a site without a network is to become, until the server's answer is brought."""
        return self.root / "enrolling.json"

    @property
    def carried(self) -> Path:
        """Files that couriers brought and nothing used yet."""
        return self.root / "carried"

    @property
    def lock(self) -> Path:
        """Locked by the agent while it runs."""
        return self.root / "agent.lock"

    @property
    def assets(self) -> Path:
        """Images and additional files, named by content."""
        return self.root / "assets"

    @property
    def datasets(self) -> Path:
        """Prepared datasets."""
        return self.root / "datasets"

    @property
    def predictions(self) -> Path:
        """What models answered, one folder for each model on each dataset."""
        return self.root / "predictions"

    @property
    def work(self) -> Path:
        """Steps under way."""
        return self.root / "work"

    @property
    def trash(self) -> Path:
        """What is being deleted."""
        return self.work / "trash"

    def job(self, number: int) -> Path:
        """What the steps of a job leave: logs, results, values per case. None of it leaves."""
        return self.work / "jobs" / str(number)

    def create(self) -> None:
        """Make the folder, for its owner alone.

        Raises:
            ConflictError: the path is there and is no folder, or is open to others and not ours.
        """
        if self.root.exists() and not self.root.is_dir():
            raise ConflictError(f"{self.root} is a file", hint="Choose another --folder.")
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        if self.root.stat().st_uid != os.getuid():
            raise ConflictError(
                f"{self.root} belongs to another user", hint="Run as the user that owns it."
            )
        self.root.chmod(0o700)

    def require(self) -> None:
        """Insist that a site was initialized here.

        Raises:
            NotFoundError: none was.
        """
        if not self.settings.is_file():
            raise NotFoundError(
                f"there is no site in {self.root}",
                hint="Run 'medperf site init', or name the folder with --folder or MEDPERF_SITE.",
            )
