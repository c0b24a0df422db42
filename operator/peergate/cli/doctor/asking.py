"""Ask the authorizer many questions: a few at once, never more than so many, never longer than so long."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Final

from peergate.cli.kube import Cluster
from peergate.gate.access import REVIEW_API_VERSION, Right, Subject, is_allowed, review_of

__all__ = ["Asker", "Question"]

_PATH: Final = f"/apis/{REVIEW_API_VERSION}/subjectaccessreviews"
_AT_ONCE: Final = 4
"""Reviews in flight: enough to hide the way to the API server, few enough not to be felt there."""
_BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Question:
    """Whether somebody has a right."""

    subject: Subject
    right: Right


class Asker:
    """Asks, and remembers how much was asked and how much was left."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        most: int,
        seconds: float,
        progress: Callable[[int, int], None],
    ) -> None:
        """Take at most so many reviews within so many seconds; ``progress`` gets asked and planned."""
        self._cluster = cluster
        self._left = most
        self._ends = time.monotonic() + seconds
        self._progress = progress
        self._planned = 0
        self.asked = 0
        self.unasked = 0
        """Questions for which number or time ran out."""

    def ask(self, questions: Iterable[Question]) -> set[Question]:
        """Return those that the authorizer answers with yes, asked in this order.

        Errors: CommandError when the cluster doesn't answer, or the caller may not ask.
        """
        wanted = list(questions)
        self._planned += len(wanted)
        yes: set[Question] = set()
        rest = iter(wanted)
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
            while (batch := self._next(rest)) and time.monotonic() < self._ends:
                answers = pool.map(self._allowed, batch)
                yes.update(one for one, allowed in zip(batch, answers, strict=True) if allowed)
                self.asked += len(batch)
                self._left -= len(batch)
                self._progress(self.asked, self._planned)
        self.unasked = self._planned - self.asked
        return yes

    def _next(self, rest: Iterator[Question]) -> list[Question]:
        return list(islice(rest, min(_BATCH, self._left)))

    def _allowed(self, question: Question) -> bool:
        answer = self._cluster.create(_PATH, review_of(question.right, subject=question.subject))
        return is_allowed(answer)
