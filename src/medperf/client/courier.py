"""A courier: a person of a site's organization who talks to the server for it, where it cannot.

Reads for the site, takes grants for it, and delivers what it signed. Every answer comes back with
the server's signature and is kept for the site, whatever it says: the site decides about it.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import httpx2

from medperf.client.api import ServerClient
from medperf.client.carrying import CarriedAnswer, CarriedRequest
from medperf.client.log_watch import size_of
from medperf.client.paging import BASE
from medperf.client.transport import AccessSecret
from medperf.domain.container_records import Container
from medperf.domain.errors import (
    InvalidRequestError,
    MedPerfError,
    SignatureError,
    UnavailableError,
)
from medperf.domain.executions import Pair
from medperf.provenance.answer_signing import (
    ANSWER_HEADER,
    CARRIED_HEADER,
    FOR_HEADER,
    verify_answer,
)
from medperf.provenance.envelope import Envelope
from medperf.provenance.keys import PublicKey

GRANTS = f"{BASE}/executions"
_MOST_PAIRS = 100
_TRY_LATER = frozenset({429})
_FIRST_SERVER_ERROR = 500


class Courier:
    """Talks to one server for one site.

    Args:
        url: the server's address.
        secret: the person's own access.
        server_key: what the server signs its answers with.
        for_key: the id of the site's key.
    """

    def __init__(self, url: str, secret: str, server_key: PublicKey, for_key: str) -> None:
        self._secret = AccessSecret(secret)
        self._server_key = server_key
        self._for_key = for_key
        self._url = url.rstrip("/")
        self._kept: dict[tuple[str, str, bytes, str], CarriedAnswer] = {}
        self._http = httpx2.Client(
            headers={FOR_HEADER: for_key, "Accept-Encoding": "identity"},
            timeout=httpx2.Timeout(60, connect=10),
            event_hooks={"response": [self._keep]},
        )
        self.client = ServerClient(self._url, self._secret, http=self._http)
        self.containers: dict[int, Container] = {}
        """Every container that was asked for."""
        self.log_sizes: set[int] = set()
        """The sizes of the log that the site will have seen."""

    def close(self) -> None:
        """Close the connection."""
        self.client.close()

    @property
    def server_key_id(self) -> str:
        """Which key signs the server's answers now."""
        return self._server_key.key_id

    @property
    def answers(self) -> tuple[CarriedAnswer, ...]:
        """Every answer the server gave, in the order of the questions."""
        return tuple(self._kept.values())

    def forget(self, answers: Collection[CarriedAnswer]) -> None:
        """Leave these out of `answers`; the caller carries them."""
        self._kept = {at: kept for at, kept in self._kept.items() if kept not in answers}

    def deliver(self, request: CarriedRequest) -> CarriedAnswer:
        """Bring a request that the site made to the server.

        Raises:
            UnavailableError: the server is away; deliver it again later.
            SignatureError: what answered is not the site's server.
        """
        headers = {
            "Authorization": self._secret.header(request.method, request.target, request.body),
            "Content-Type": "application/json",
            "Idempotency-Key": request.idempotency_key,
        }
        if request.authorization is not None:
            headers[CARRIED_HEADER] = request.authorization
        try:
            response = self._http.request(
                request.method, self._url + request.target, content=request.body, headers=headers
            )
        except httpx2.RequestError as error:
            raise UnavailableError(f"{self._url} does not answer: {error}") from error
        if response.status_code in _TRY_LATER or response.status_code >= _FIRST_SERVER_ERROR:
            raise UnavailableError(f"the server answered {response.status_code}")
        kept = self._answer(response)
        if kept is None:
            raise SignatureError(
                f"the server did not sign its answer to {request.method} {request.target}",
                hint="Check the server's address; an older server carries for no site.",
            )
        return kept

    def gather(
        self,
        *,
        log_sizes: Iterable[int] = (0,),
        wanted: Iterable[str] = (),
        benchmarks: Iterable[int] = (),
        seen_in: Iterable[int] = (),
        results: Iterable[int] = (),
        with_grants: bool = True,
    ) -> None:
        """Ask all that the site will ask for.

        Args:
            log_sizes: how many leaves of the log the site may have seen.
            wanted: targets it asked for before.
            benchmarks: more benchmarks to bring, before the site takes part in them.
            seen_in: sizes of the log in which answers to the site place what they logged.
            results: numbers of results that the site handed in.
            with_grants: whether to take grants for all outstanding work.

        Raises:
            UnavailableError: the server is away.
        """
        client = self.client
        client.info()
        me = client.me().site
        shown_in = {*seen_in, *self._agreements()}
        self.log_sizes |= self._log(sorted(set(log_sizes)), sorted(shown_in))
        work = client.executions.work()
        site_id = me.id if me else 0
        live = [
            each
            for state in ("granted", "running")
            for each in client.executions.list(site_id=site_id, state=state)
        ]
        list(client.datasets.list(site_id=site_id))
        for number in results:
            result = client.results.get(number)
            list(client.results.list(execution_id=result.execution_id))
        datasets = list(client.datasets.list(mine=True))
        pairs = {(item.benchmark_id, item.model_id, item.dataset_id) for item in work.items}
        pairs |= {(each.benchmark_id, each.model_id, each.dataset_id) for each in live}
        concerned = set(benchmarks) | {benchmark for benchmark, _, _ in pairs}
        for dataset in datasets:
            client.datasets.get(dataset.id)
            self.container(dataset.preparator_id)
            asked = list(client.associations.list(dataset_id=dataset.id))
            concerned |= {each.benchmark_id for each in asked}
        for number in sorted(concerned):
            self._try(partial(self._benchmark, number))
        for number in sorted({model for _, model, _ in pairs}):
            self._try(partial(self._model, number))
        if with_grants:
            self._take_grants(sorted(pairs))
        for target in wanted:
            if target.startswith(f"{BASE}/"):
                self._try(partial(self._wanted, target))

    def container(self, number: int) -> None:
        """Ask for a container, and remember it."""

        def ask() -> None:
            self.containers[number] = self.client.containers.get(number)

        if number not in self.containers:
            self._try(ask)

    def _agreements(self) -> set[int]:
        """Ask for the agreements; answers the sizes of the log that prove them."""
        agreements = self.client.agreements
        concluded = [each.id for each in agreements.list() if each.concluded_at is not None]
        return {size_of(agreements.bundle(number).checkpoint) for number in concluded}

    def _log(self, log_sizes: list[int], seen_in: list[int]) -> set[int]:
        log, shown = self.client.log, set()
        for size in log_sizes:
            try:
                shown |= {size_of(ask(size).checkpoint) for ask in (log.keys, log.consistency)}
            except InvalidRequestError:
                # Shorter than what the site saw: both answers are the site's evidence of a fork.
                shown |= {size_of(ask(0).checkpoint) for ask in (log.keys, log.consistency)}
        for size in seen_in:
            for newest in shown:
                log.consistency(*sorted((size, newest)))
        return shown

    def _benchmark(self, number: int) -> None:
        benchmark = self.client.benchmarks.get(number)
        list(self.client.benchmarks.list(name=benchmark.name))  # people there write names
        self.container(benchmark.preparator_id)
        self.container(benchmark.evaluator_id)
        self._model(benchmark.reference_model_id)

    def _model(self, number: int) -> None:
        container_id = self.client.models.get(number).container_id
        if container_id is not None:
            self.container(container_id)

    def _take_grants(self, pairs: list[tuple[int, int, int]]) -> None:
        for start in range(0, len(pairs), _MOST_PAIRS):
            asked = tuple(
                Pair(benchmark_id=benchmark, model_id=model, dataset_id=dataset)
                for benchmark, model, dataset in pairs[start : start + _MOST_PAIRS]
            )
            for answer in self.client.executions.request_grants(asked):
                if answer.grant is not None:
                    self._try(partial(self._proof_of, Envelope.from_value(answer.grant)))

    def _proof_of(self, grant: Envelope) -> None:
        """Ask for the place in the log of a grant that a former key of the server signed."""
        if self._server_key.key_id not in {each.keyid for each in grant.signatures}:
            self._relate(self.client.log.proof(envelope=grant.digest).checkpoint)

    def _wanted(self, target: str) -> None:
        answer = self.client.transport.get(target)
        if isinstance(answer, dict) and "checkpoint" in answer:
            self._relate(str(answer["checkpoint"]))

    def _relate(self, checkpoint: str) -> None:
        """Ask for the proof that a checkpoint is of the log that the site will have seen."""
        for seen in self.log_sizes:
            self.client.log.consistency(*sorted((seen, size_of(checkpoint))))

    def _try(self, ask: Callable[[], Any]) -> None:
        # What the server refuses is an answer too, and carried as one.
        try:
            ask()
        except UnavailableError:
            raise
        except MedPerfError:
            return

    def _keep(self, response: httpx2.Response) -> None:
        response.read()
        with suppress(SignatureError):
            self._answer(response)

    def _answer(self, response: httpx2.Response) -> CarriedAnswer | None:
        request = response.request
        signature = response.headers.get(ANSWER_HEADER)
        if signature is None:
            return None
        body = request.read()
        target = request.url.raw_path.decode("ascii")
        prefix = httpx2.URL(self._url).raw_path.decode("ascii").rstrip("/")
        key = request.headers.get("Idempotency-Key", "")
        kept = CarriedAnswer(
            method=request.method,
            target=target.removeprefix(prefix),
            request_body=body,
            idempotency_key=key,
            status=response.status_code,
            body=response.content,
            signature=signature,
        )
        verify_answer(signature, kept.signed_for(self._for_key), self._server_key)
        self._kept[request.method, kept.target, hashlib.sha256(body).digest(), key] = kept
        return kept
