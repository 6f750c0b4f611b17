"""What every kind of registered thing can be asked: register, get, list, act."""

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

from medperf.client.paging import BASE, rows
from medperf.client.transport import Transport
from medperf.domain.wire import Form, Record

F = TypeVar("F", bound=Form)
R = TypeVar("R", bound=Record)


class Readable(Generic[R]):
    """Things that can be looked up."""

    def __init__(self, transport: Transport, path: str, record: type[R]) -> None:
        self._transport = transport
        self._path = f"{BASE}/{path}"
        self._record = record

    def get(self, number: int) -> R:
        """GET ``/{path}/{number}``."""
        return self._record.model_validate(self._transport.get(f"{self._path}/{number}"))

    def list(self, *, limit: int | None = None, **filters: Any) -> Iterator[R]:
        """GET ``/{path}``, page after page; an unknown filter is an error of the server's."""
        path = self._path.removeprefix(f"{BASE}/")
        for row in rows(self._transport, path, limit=limit, **filters):
            yield self._record.model_validate(row)


class Actable(Readable[R]):
    """Things with a lifecycle."""

    def act(
        self, number: int, action: str, reason: str = "", statement: dict[str, Any] | None = None
    ) -> R:
        """POST ``/{path}/{number}/{action}``: an act of the noun's lifecycle table.

        With ``statement``, the decision as the caller signed it with their own key.
        """
        body: dict[str, Any] = {"reason": reason}
        if statement is not None:
            body["statement"] = statement
        answer = self._transport.post(f"{self._path}/{number}/{action}", body)
        return self._record.model_validate(answer)


class Registrable(Actable[R], Generic[F, R]):
    """Things that people register."""

    def register(self, form: F) -> R:
        """POST ``/{path}``."""
        return self._record.model_validate(
            self._transport.post(self._path, form.model_dump(mode="json"))
        )

    def edit(self, number: int, **changes: Any) -> R:
        """PATCH ``/{path}/{number}``: only while it is in development."""
        return self._record.model_validate(self._transport.patch(f"{self._path}/{number}", changes))
