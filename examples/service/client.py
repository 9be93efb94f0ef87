"""A client that has every event of its log scored exactly once, even if the service is killed."""

from __future__ import annotations

import http.client
import json
import time
from typing import Any
from urllib.parse import urlencode


class ServiceError(Exception):
    """The service refused a request, or cannot be reached."""


class Client:
    """Sends the events of a log in order, one request at a time.

    A request without an answer is sent again unchanged: the service scores it, or answers from its
    record. If a restarted service lacks earlier events, it says from where to continue, and the
    client sends them again from its log.

    Parameters
    ----------
    host, port
        Address of the service.
    name
        A name that no other client has.
    log
        The client's events; more may be added at the end.
    patience
        For how many seconds the service may be unreachable.

    Attributes
    ----------
    scores
        The answer to each event of the log so far; None for those applied earlier.
    resumed
        For each restart that the client noticed: the offset that it had reached, and the offset
        from which it sent its log again.
    """

    def __init__(
        self, host: str, port: int, name: str, log: list[Any], *, patience: float = 30.0
    ) -> None:
        self._address, self.name, self.log, self._patience = (host, port), name, log, patience
        self._connection: http.client.HTTPConnection | None = None
        self.resumed: list[tuple[int, int]] = []
        self.next = self.ask("GET", "/applied", client=name)[1]["applied"]
        self.scores: list[Any] = [None] * self.next

    def send(self, count: int) -> None:
        """Send the next events of the log.

        Raises
        ------
        ServiceError
            The service refused them, or is unreachable for too long; or an event that was sent
            again got a different score.
        """
        events = self.log[self.next : self.next + count]
        status, answer = self.ask("POST", "/score", events, client=self.name, offset=self.next)
        if status == 409 and answer["applied"] < self.next:
            self.resumed.append((self.next, answer["applied"]))
            self.next = answer["applied"]
            return
        if status != 200:
            raise ServiceError(f"events from {self.next} of {self.name!r}: {answer['error']}")
        for place, score in enumerate(answer["scores"], self.next):
            if place == len(self.scores):
                self.scores.append(None)
            if self.scores[place] not in (None, score):
                raise ServiceError(f"event {place} of {self.name!r} has two scores")
            self.scores[place] = score
        self.next = answer["applied"]

    def ask(self, method: str, path: str, body: Any = None, **query: Any) -> tuple[int, Any]:
        """Return status and content of the answer; repeat the request until there is one."""
        deadline = time.monotonic() + self._patience
        target = path + ("?" + urlencode(query) if query else "")
        while True:
            try:
                if self._connection is None:
                    self._connection = http.client.HTTPConnection(*self._address, timeout=10)
                data = None if body is None else json.dumps(body, allow_nan=False)
                self._connection.request(method, target, data)
                response = self._connection.getresponse()
                return response.status, json.loads(response.read())
            except (OSError, http.client.HTTPException) as error:
                self.close()
                if time.monotonic() > deadline:
                    raise ServiceError(f"no answer from {self._address}: {error}") from error
                time.sleep(0.05)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        if self._connection is not None:
            self._connection.close()
        self._connection = None
