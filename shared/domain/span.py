"""Time spans of a recording, in seconds from its start."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pydantic import Field, model_validator

from shared.domain.value import Value


class Span(Value):
    """The half-open interval [start, end) of a recording; never of negative length."""

    start: float = Field(ge=0)
    end: float = Field(ge=0)

    @model_validator(mode="after")
    def _in_order(self) -> Span:
        if self.end < self.start:
            raise ValueError("a span must not end before it starts")
        return self

    @property
    def duration(self) -> float:
        return self.end - self.start

    @property
    def middle(self) -> float:
        return (self.start + self.end) / 2

    def overlap(self, other: Span) -> float:
        """Seconds that both spans share."""
        return max(0.0, min(self.end, other.end) - max(self.start, other.start))

    def clipped(self, other: Span) -> Span | None:
        """The part of this span inside `other`, or None if they do not overlap."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Span(start=start, end=end) if end > start else None

    @property
    def span(self) -> Span:
        """Only start and end, without the fields of subclasses."""
        return Span(start=self.start, end=self.end)


def span(start: float, end: float) -> Span:
    return Span(start=start, end=end)


def union(spans: Iterable[Span], *, gap: float = 0.0) -> tuple[Span, ...]:
    """The union as disjoint spans in order; spans at most `gap` apart are joined."""
    return tuple(_joined(sorted(spans, key=lambda s: s.start), gap))


def _joined(ordered: Iterable[Span], gap: float) -> Iterator[Span]:
    current: Span | None = None
    for piece in ordered:
        if current is None:
            current = piece
        elif piece.start <= current.end + gap:
            current = Span(start=current.start, end=max(current.end, piece.end))
        else:
            yield current
            current = piece
    if current is not None:
        yield current
