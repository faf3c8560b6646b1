"""How often somebody may write: token buckets, in bounded memory."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable


class RateLimiter:
    """Lets each key do something `per_minute` times a minute, all at once or spread out.

    Only the `capacity` keys seen last are remembered; one that is forgotten starts anew.
    """

    def __init__(self, per_minute: int, capacity: int = 50_000, clock: Callable[[], float] = time.monotonic) -> None:
        self._per_minute = per_minute
        self._capacity = capacity
        self._clock = clock
        # What is left of each key's allowance, and when that was so; the key used last stands last.
        self._buckets: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def allows(self, key: Hashable) -> bool:
        """Whether the key may do it now; if so, that counts. A limit of 0 allows everything."""
        if self._per_minute == 0:
            return True
        now = self._clock()
        left, since = self._buckets.pop(key, (float(self._per_minute), now))
        left = min(float(self._per_minute), left + (now - since) * self._per_minute / 60)
        allowed = left >= 1
        self._buckets[key] = (left - 1 if allowed else left, now)
        if len(self._buckets) > self._capacity:
            self._buckets.popitem(last=False)
        return allowed

    def __len__(self) -> int:
        return len(self._buckets)
