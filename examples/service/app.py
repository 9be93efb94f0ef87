"""The HTTP side: routes, checks of requests, and periodic snapshots."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import msgspec
from events import read_events
from ledger import Ledger, LogError
from metrics import Metrics
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route

from rnn_rust.errors import DataError, OutOfMemoryError, ParameterError, RnnRustError, ShapeError

_log = logging.getLogger("uvicorn.error")

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class Piece(msgspec.Struct, forbid_unknown_fields=True):
    """The client whose events these are, and the number of the first one in its log."""

    client: Name
    offset: Annotated[int, msgspec.Meta(ge=0, le=2**62)]


class Whose(msgspec.Struct, forbid_unknown_fields=True):
    """The client that the request is about."""

    client: Name


class Service:
    """The routes of a ledger."""

    def __init__(self, ledger: Ledger, *, max_events: int, max_bytes: int) -> None:
        self._ledger, self._metrics = ledger, Metrics(ledger)
        self._max_events, self._max_bytes = max_events, max_bytes
        self._saving = asyncio.Lock()

    async def score(self, request: Request) -> Response:
        """Score events, each once."""
        start, status = time.perf_counter(), 500
        try:
            piece = _query(request, Piece)
            body = await self._body(request)
            response = await run_in_threadpool(self._scored, piece, body)
            status = response.status_code
        except HTTPException as error:
            status = error.status_code
            raise
        finally:
            self._metrics.requests.labels(status).inc()
            self._metrics.latencies.observe(time.perf_counter() - start)
        return response

    def _scored(self, piece: Piece, body: bytes) -> Response:
        """Answer in a thread of the pool, so that others are served meanwhile."""
        try:
            events = read_events(body)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise HTTPException(400, f"body: {error}") from None
        if len(events) > self._max_events:
            raise HTTPException(413, f"body: {len(events)} events; send {self._max_events} at most")
        try:
            record, fresh = self._ledger.apply(piece.client, piece.offset, events)
        except LogError as error:
            return _json({"error": str(error), "applied": error.applied}, 409)
        except (DataError, ShapeError, ParameterError, TypeError) as error:
            raise HTTPException(422, f"body: {error}") from None
        except OutOfMemoryError as error:
            raise HTTPException(503, str(error)) from None
        self._metrics.scored.inc(fresh)
        self._metrics.repeated.inc(len(events) - fresh)
        return _json({"applied": record.applied, "scores": record.scores})

    async def _body(self, request: Request) -> bytes:
        body = bytearray()
        try:
            async for chunk in request.stream():
                body += chunk
                if len(body) > self._max_bytes:
                    raise HTTPException(413, f"body: more than {self._max_bytes} bytes; send less")
        except ClientDisconnect:
            raise HTTPException(400, "body: the connection ended before it") from None
        return bytes(body)

    async def applied(self, request: Request) -> Response:
        """Tell a client where to continue, and what it may drop from its log."""
        client = _query(request, Whose).client
        applied, saved = await run_in_threadpool(self._ledger.applied, client)
        return _json({"client": client, "applied": applied, "saved": saved})

    async def snapshot(self, request: Request) -> Response:
        """Take a snapshot now."""
        try:
            return _json(await self.save())
        except (OSError, RnnRustError) as error:
            raise HTTPException(500, f"there is no new snapshot: {error}") from None

    async def save(self) -> dict[str, Any]:
        """Take a snapshot; requests wait for it without occupying threads of the pool."""
        async with self._saving:
            return await run_in_threadpool(self._ledger.snapshot)

    async def save_by_the_clock(self, every: float) -> None:
        """Take a snapshot every so many seconds, if there were events."""
        while True:
            await asyncio.sleep(every)
            if self._ledger.changed:
                try:
                    await self.save()
                except (OSError, RnnRustError) as error:
                    _log.error("There is no new snapshot: %s", error)

    async def health(self, request: Request) -> Response:
        """Tell that the service works."""
        ledger = self._ledger
        return _json(
            {
                "status": "ok",
                "entities": len(ledger.scorer),
                "scored": ledger.events,
                "snapshot_age": round(ledger.snapshot_age, 1),
            }
        )

    async def metrics(self, request: Request) -> Response:
        """Show counts and latencies."""
        return Response(self._metrics.text(), media_type=CONTENT_TYPE_LATEST)


def make_app(
    ledger: Ledger, *, snapshot_every: float, max_events: int, max_bytes: int
) -> Starlette:
    """Return the application; it takes snapshots periodically, and one when it stops."""
    service = Service(ledger, max_events=max_events, max_bytes=max_bytes)

    @contextlib.asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        clock = asyncio.create_task(service.save_by_the_clock(snapshot_every))
        yield
        clock.cancel()
        written = await run_in_threadpool(ledger.snapshot)
        _log.info("Stopped with a snapshot of %(events)s events", written)

    return Starlette(
        routes=[
            Route("/score", service.score, methods=["POST"]),
            Route("/applied", service.applied, methods=["GET"]),
            Route("/snapshot", service.snapshot, methods=["POST"]),
            Route("/health", service.health, methods=["GET"]),
            Route("/metrics", service.metrics, methods=["GET"]),
        ],
        exception_handlers={HTTPException: _refused, Exception: _failed},
        lifespan=lifespan,
    )


def _query(request: Request, kind: type[Any]) -> Any:
    try:
        return msgspec.convert(dict(request.query_params), kind, strict=False)
    except msgspec.ValidationError as error:
        raise HTTPException(400, f"query: {error}") from None


def _json(content: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    response = _json({"error": error.detail}, error.status_code)
    response.headers.update(error.headers or {})
    return response


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": "the service failed; its log says why"}, 500)
