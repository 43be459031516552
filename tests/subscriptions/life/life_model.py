"""A subscription as somebody would keep it on a calendar: day by day, with a pencil.

It imports nothing of what it checks. Each day has what is planned for it; what was billed is
written down when the day is over, by how things stood on it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

DAYS = 2000
BOUNDARIES = [0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335]
"""First days of the months of 2024, counted from 1 January."""

Plan = tuple[str, int]
"""A plan and a quantity."""


PHASES = {"standard": [], "dearer": [("one", 20), ("two", 15)]}
"""How many days each phase of a plan lasts for who pays; then the plan is in none."""
TRIALS = {"standard": (None, 0), "dearer": ("try", 7)}
"""The phase that is the trial of a plan, and how many days it lasts."""


class RefusedError(Exception):
    """This cannot be done."""


def month_end(day: int) -> int:
    """The first day of the month after the one that `day` is in, in a year of 366 days."""
    years, rest = 0, day
    while True:
        length = 366 if years % 4 == 0 else 365
        if rest < length:
            break
        rest, years = rest - length, years + 1
    base = day - rest
    leap = length == 366
    starts = [each if leap or each < 60 else each - 1 for each in BOUNDARIES] + [length]
    return base + next(each for each in starts if each > rest)


@dataclass
class Life:
    """One subscription that starts on day 0, or waits for its first payment."""

    plan: Plan
    status: str = "FREE"
    day: int = 0
    start: int = 0
    planned: list[Plan | None] = field(default_factory=lambda: [None] * DAYS)
    billed: list[tuple[Plan, bool, str | None] | None] = field(default_factory=list)
    paid: tuple[str, int] = ("", 0)
    """The plan that was paid for up to last night, and for how many days in a row."""
    trial_end: int | None = None
    converts: bool = True
    cancel_at: int | None = None
    expires_at: int | None = None
    grace_end: int | None = None
    failed: int = 0
    pause: tuple[int, int | None, bool] | None = None
    statuses: list[tuple[str, str, int]] = field(default_factory=list)

    def become(self, status: str) -> None:
        """Another state from today on."""
        self.statuses.append((self.status, status, self.day))
        self.status = status
        if status in {"CANCELED", "EXPIRED"}:
            over = max(self.day, self.start)
            self.planned[over:] = [None] * (DAYS - over)
            self.cancel_at = self.expires_at = self.grace_end = self.pause = None
            self.failed = 0

    @property
    def over(self) -> bool:
        return self.status in {"CANCELED", "EXPIRED"}

    @property
    def served(self) -> bool:
        return self.status in {"TRIALING", "ACTIVE", "PAST_DUE", "GRACE_PERIOD"}

    @property
    def end(self) -> int | None:
        ends = [self.cancel_at, self.expires_at, self.grace_end]
        if not self.converts and self.status in {"FREE", "TRIALING"}:
            ends.append(self.trial_end)
        return min((each for each in ends if each is not None), default=None)

    def fill(self, plan: Plan) -> None:
        """Plan for all days from today on, where nothing is planned."""
        if self.planned[self.day] is None:
            later = next((each for each in self.planned[self.day :] if each), plan)
            for day in range(self.day, DAYS):
                if self.planned[day] is None:
                    self.planned[day] = later
                else:
                    break
        last = next(each for each in reversed(self.planned) if each)
        for day in reversed(range(self.day, DAYS)):
            if self.planned[day] is not None:
                break
            self.planned[day] = last

    def sleep(self, days: int) -> None:
        """Let days pass; what the calendar says happens on its day."""
        for _ in range(days):
            paused = self.pause is not None and self.pause[2]
            today = self.planned[self.day]
            bills = self.served and today is not None and not paused
            assert not (bills and today is None)
            phase = self.phase(today)
            trial = self.status == "TRIALING"
            self.billed.append((today, trial, phase) if bills and today else None)
            self.day += 1
            self.wake()

    def phase(self, today: Plan | None) -> str | None:
        """Which phase the plan is in today, and one day more of it."""
        if today is None or self.status == "TRIALING":
            self.paid = "", 0
            return None if today is None else TRIALS[today[0]][0]
        days = self.paid[1] if self.paid[0] == today[0] else 0
        self.paid = today[0], days + 1
        for name, length in PHASES[today[0]]:
            if days < length:
                return name
            days -= length
        return None

    def ends(self) -> None:
        """What ends by itself this morning."""
        if self.cancel_at == self.day:
            self.become("CANCELED")
        elif self.expires_at == self.day:
            self.become("EXPIRED")
        elif self.grace_end == self.day:
            self.become("CANCELED")
        elif self.status == "TRIALING" and self.trial_end == self.day and not self.converts:
            self.become("EXPIRED")

    def wake(self) -> None:
        """What happens by itself this morning."""
        if not self.over:
            self.ends()
        if self.over:
            return
        if self.status == "FREE" and self.start == self.day and self.planned[self.day]:
            self.become("TRIALING" if self.trial_end else "ACTIVE")
        if self.status == "TRIALING" and self.converts and self.trial_end == self.day:
            self.become("ACTIVE")
        if self.pause and self.pause[1] == self.day:
            self.pause = None
        held = self.planned[self.day]
        if held:
            self.plan = held

    def activate(self) -> None:
        if self.status not in {"FREE", "TRIALING"}:
            raise RefusedError
        self.converts = True
        if self.trial_end is not None:
            self.trial_end = min(self.trial_end, self.day)
        self.start = min(self.start, self.day)
        self.fill(self.plan)
        self.become("ACTIVE")

    def start_trial(self, until: int, *, converts: bool) -> None:
        if self.status not in {"FREE", "EXPIRED"} or until <= self.day:
            raise RefusedError
        self.start = min(self.start, self.day)
        self.fill(self.plan)
        self.trial_end, self.converts = until, converts
        if not converts:
            self.planned[until:] = [None] * (DAYS - until)
        self.become("TRIALING")

    def pay(self) -> None:
        if self.status in {"FREE", "TRIALING"}:
            self.activate()
        elif self.status in {"PAST_DUE", "GRACE_PERIOD"}:
            self.failed, self.grace_end = 0, None
            self.become("ACTIVE")

    def fail(self) -> None:
        if self.status not in {"ACTIVE", "PAST_DUE"}:
            return
        self.failed += 1
        if self.status == "ACTIVE":
            self.become("PAST_DUE")
        if self.failed > 3:
            self.become("GRACE_PERIOD")
            self.grace_end = self.day + 7

    def when(self, word: str | int) -> int:
        if word == "now":
            return self.day
        if word == "period_end":
            if self.status == "TRIALING" and self.trial_end:
                return self.trial_end
            return month_end(max(self.day, self.start))
        assert isinstance(word, int)
        if word < self.day:
            raise RefusedError
        return word

    def cancel(self, word: str | int) -> None:
        if self.over:
            raise RefusedError
        end = self.when(word)
        if end == self.day:
            self.become("CANCELED")
        elif self.cancel_at != end:
            planned, self.cancel_at = self.cancel_at, None
            if self.end is not None and end >= self.end:
                self.cancel_at = planned
                raise RefusedError
            self.cancel_at = end

    def uncancel(self) -> None:
        if self.over or self.cancel_at is None:
            raise RefusedError
        self.cancel_at = None

    def extend(self, until: int | None) -> None:
        if self.over or (until is not None and until <= self.day):
            raise RefusedError
        self.expires_at = until

    def stop(self, until: int | None, *, billing: bool) -> None:
        if not self.served or self.pause or (until is not None and until <= self.day):
            raise RefusedError
        self.pause = (self.day, until, billing)

    def resume(self) -> None:
        if self.pause is None or self.over:
            raise RefusedError
        self.pause = None

    def change(self, plan: str | None, quantity: int | None, word: str | int) -> None:
        if self.over:
            raise RefusedError
        begin = max(self.when(word), self.start)
        if self.end is not None and begin >= self.end:
            raise RefusedError
        if all(each is None for each in self.planned[self.day :]):
            self.plan = self._changed(self.plan, plan, quantity)
            return
        for day in range(begin, DAYS):
            known = self.planned[day]
            if known:
                self.planned[day] = self._changed(known, plan, quantity)
        held = self.planned[max(self.day, self.start)]
        if held:
            self.plan = held

    @staticmethod
    def _changed(known: Plan, plan: str | None, quantity: int | None) -> Plan:
        return plan or known[0], known[1] if quantity is None else quantity

    def reactivate(self, plan: str | None) -> None:
        if not self.over or self.day < self.start:
            raise RefusedError
        self.plan = self._changed(self.plan, plan, None)
        self.fill(self.plan)
        self.become("ACTIVE")
