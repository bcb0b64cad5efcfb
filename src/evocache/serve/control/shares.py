"""Whose a request is, and who has had least: shares are even between keys, and under a key between its users."""

from __future__ import annotations

from collections.abc import Collection
from typing import NamedTuple


class Owner(NamedTuple):
    """Whose a request is.

    Attributes:
        tenant: of the API key; `local` where there are no keys.
        key: id of the API key within its tenant.
        user: whom the request names: a claim under its key that nobody has verified.
    """

    tenant: str = "local"
    key: str = ""
    user: str = ""

    @property
    def account(self) -> tuple[str, str]:
        """Tenant and key: what shares and quotas are counted by."""
        return self.tenant, self.key

    @property
    def name(self) -> str:
        """The account as one text, which no other account has."""
        return f"{len(self.tenant)}:{self.tenant}/{self.key}"

    @property
    def whole_name(self) -> str:
        """The user of the account as one text, which no other owner has."""
        return f"{len(self.name)}:{self.name}/{self.user}"


class Shares:
    """Virtual times of accounts, and of the users of each: predicted seconds that they had.

    It is start-time fair queueing (Goyal, Vin and Cheng 1996) in two levels: who comes, or comes again, begins where
    those are that are served. So nobody is owed what they left unused, or owes what they had while nobody was there.
    """

    def __init__(self) -> None:
        self._accounts = _Times()
        self._users: dict[object, _Times] = {}

    def update(self, owners: Collection[Owner]) -> None:
        """Say who has work that waits; others are forgotten, unless they are ahead of these."""
        self._accounts.update({owner.account for owner in owners})
        users: dict[object, set[object]] = {}
        for owner in owners:
            users.setdefault(owner.account, set()).add(owner.user)
        self._users = {account: self._users.get(account, _Times()) for account in users}
        for account, names in users.items():
            self._users[account].update(names)

    def rank(self, owner: Owner) -> tuple[float, float]:
        """Return what an account has had, and what its user has had of that: the least goes first."""
        users = self._users.get(owner.account)
        return self._accounts.time(owner.account), 0.0 if users is None else users.time(owner.user)

    def ahead(self, owner: Owner) -> float:
        """Return by how many seconds an owner, or its user, is ahead of who has had least."""
        users = self._users.get(owner.account)
        return max(self._accounts.ahead(owner.account), 0.0 if users is None else users.ahead(owner.user))

    def spend(self, owner: Owner, seconds: float) -> None:
        """Note that predicted seconds of work were handed over for an owner."""
        self._accounts.spend(owner.account, seconds)
        if owner.account in self._users:
            self._users[owner.account].spend(owner.user, seconds)


class _Times:
    """Virtual times of those who share something."""

    def __init__(self) -> None:
        self._had: dict[object, float] = {}
        self._active: frozenset[object] = frozenset()
        self._now = 0.0

    def update(self, active: Collection[object]) -> None:
        for one in active:
            if one not in self._active:
                self._had[one] = max(self._had.get(one, 0.0), self._now)
        self._active = frozenset(active)
        self._now = max(self._now, min((self._had[one] for one in self._active), default=0.0))
        self._had = {one: had for one, had in self._had.items() if one in self._active or had > self._now}

    def time(self, one: object) -> float:
        return max(self._had.get(one, 0.0), self._now)

    def ahead(self, one: object) -> float:
        return self.time(one) - min((self._had[other] for other in self._active), default=self._now)

    def spend(self, one: object, seconds: float) -> None:
        self._now = max(self._now, min((self._had[other] for other in self._active), default=0.0))
        self._had[one] = self.time(one) + seconds
