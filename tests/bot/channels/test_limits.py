from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bot.channels.limits import RateLimiter


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_so_many_at_once_and_then_one_after_the_other() -> None:
    clock = Clock()
    limiter = RateLimiter(6, clock=clock)
    assert [limiter.allows("a") for _ in range(8)] == [True] * 6 + [False] * 2
    clock.now = 10
    assert [limiter.allows("a"), limiter.allows("a")] == [True, False]
    clock.now = 1000
    assert [limiter.allows("a") for _ in range(7)] == [True] * 6 + [False]


def test_one_flood_does_not_stop_another_person() -> None:
    limiter = RateLimiter(2, clock=Clock())
    assert sum(limiter.allows("a") for _ in range(10)) == 2
    assert limiter.allows("b")


def test_memory_is_bounded_and_who_writes_stays_remembered() -> None:
    limiter = RateLimiter(3, capacity=100, clock=Clock())
    assert all(limiter.allows("busy") for _ in range(3))
    for stranger in range(1000):
        assert limiter.allows(stranger)
        assert not limiter.allows("busy")
    assert len(limiter) == 100


def test_no_limit_is_none() -> None:
    limiter = RateLimiter(0)
    assert all(limiter.allows("a") for _ in range(1000))
    assert len(limiter) == 0


@given(st.integers(1, 50), st.lists(st.floats(0, 30), max_size=200))
def test_no_minute_has_more_than_twice_the_limit(per_minute: int, waits: list[float]) -> None:
    clock = Clock()
    limiter = RateLimiter(per_minute, clock=clock)
    times = []
    for wait in waits:
        clock.now += wait
        if limiter.allows("a"):
            times.append(clock.now)
    for start in times:
        assert sum(start <= time < start + 60 for time in times) <= 2 * per_minute
