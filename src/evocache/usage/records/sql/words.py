"""Names that events have in common, of which a database keeps each once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any


class Words:
    """Numbers of names in a database, remembered here. Names are few and are never deleted.

    Args:
        table: the table `words`.
        sa: SQLAlchemy.
    """

    def __init__(self, table: Any, sa: Any) -> None:
        self._table = table
        self._sa = sa
        self._ids: dict[str, int] = {}
        self._words: dict[int, str] = {}

    def numbers(self, connection: Any, words: Iterable[str]) -> Mapping[str, int]:
        """Return the number of each name, giving new names one.

        What a transaction that fails gave is not remembered: call `remember` once it is committed.

        Args:
            connection: in a transaction that may write.
            words: names.
        """
        missing = sorted(set(words) - self._ids.keys())
        if not missing:
            return self._ids
        dialect = self._sa.dialects.postgresql if connection.dialect.name == "postgresql" else self._sa.dialects.sqlite
        new = dialect.insert(self._table).on_conflict_do_nothing()
        connection.execute(new, [{"word": word} for word in missing])
        return {**self._ids, **{word: number for number, word in self._rows(connection, self._table.c.word, missing)}}

    def remember(self, ids: Mapping[str, int]) -> None:
        """Keep numbers that are committed."""
        if ids is not self._ids:
            self._ids.update(ids)
            self._words.update((number, word) for word, number in ids.items())

    def names(self, connection: Any, numbers: Iterable[int]) -> Mapping[int, str]:
        """Return the name of each number."""
        missing = sorted(set(numbers) - self._words.keys())
        if missing:
            found = {word: number for number, word in self._rows(connection, self._table.c.id, missing)}
            self.remember(found)
        return self._words

    def find(self, connection: Any, words: list[str]) -> Mapping[str, int]:
        """Return the numbers of those names that the database knows."""
        if not all(word in self._ids for word in words):
            self.remember({word: number for number, word in self._rows(connection, self._table.c.word, words)})
        return self._ids

    def _rows(self, connection: Any, column: Any, values: list[Any]) -> list[Any]:
        asked = self._sa.select(self._table.c.id, self._table.c.word).where(column.in_(values))
        return list(connection.execute(asked))
