"""Keys of calls: what two calls of a function have in common if they ask the same question."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any

from ....errors import UsageError, short
from ...keys.canonical import encode, encode_arguments
from ...keys.code_version import code_version, unencoded_in
from ..event_log import spell
from ..names import Encoded, Spelled
from .callables import held_by, name_of

VARIADIC = inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD

Label = str | Callable[[Mapping[str, Any]], Hashable | None] | None
"""How an owner, a group or a tenant is found: the name of a parameter, or a function of the arguments by name."""


LONG = 1024
"""Bytes of encoded arguments, such as arrays, beyond which a key has their digest instead."""


class CallKeys:
    """Makes keys of a function's calls: of what it computes, and of the arguments that matter.

    However a call is written (by position or by name, defaults left out or not), it has one key.

    Args:
        function: the function.
        ignore: names of parameters that do not change the answer, such as `self` or a logger; a text is one name.
        version: what tells this function from what it was before; a digest of its code if not given.
        outlives: whether other functions find the answers, on a disk or a server.

    Raises:
        UsageError: if a name is no parameter's; if the function tells neither its parameters nor its code; if answers
            outlive it, and it holds what no key is made of.
    """

    def __init__(
        self,
        function: Callable[..., Any],
        ignore: Sequence[str] = (),
        version: Any = None,
        outlives: bool = False,
    ) -> None:
        self._name = name_of(function)
        try:
            self.signature = inspect.signature(function)
        except (TypeError, ValueError):  # some that are written in C
            mend = "cache a function of your own that calls it"
            raise UsageError(self._name, "a function that tells its parameters", mend) from None
        parameters = self.signature.parameters
        self._names = tuple(parameters)
        ignore = (ignore,) if isinstance(ignore, str) else tuple(ignore)
        for name in ignore:
            self.check(name, "ignore")
        self._plain = len(parameters) if not any(p.kind in VARIADIC for p in parameters.values()) else -1
        self._plain = -1 if any(p.kind is p.KEYWORD_ONLY for p in parameters.values()) else self._plain
        self._matter = tuple(name for name in parameters if name not in ignore)
        self._all = self._matter == self._names
        self._prefix = code_version(function, version) + self._held(function, version)
        self._hidden = unencoded_in(function) if version is None else []
        if outlives:
            self.identity()

    def identity(self) -> bytes:
        """Return what stands for the function in keys that others find.

        Raises:
            UsageError: if it holds a value of an outer function that has no encoding, such as a model: the same
                function over another model would have the same identity.
        """
        if self._hidden:
            given = f"{self._name}, which holds {self._hidden[0]} and whose answers other functions find"
            expected = "values that are encoded the same in every process: with others its answers are others"
            mend = 'make it an argument, give it a method `__cache_key__`, or say what tells it: version="1"'
            raise UsageError(given, expected, mend)
        return self._prefix

    def _held(self, function: Callable[..., Any], version: Any) -> bytes:
        """Return a digest of what a partial brings; nothing where there is nothing, or a version stands for it.

        Raises:
            UsageError: if it has no encoding.
        """
        held = held_by(function) if version is None else ()
        if not held:
            return b""
        try:
            return hashlib.blake2b(encode(held), digest_size=16).digest()
        except UsageError as error:
            mend = 'say what tells it from others: version="1"'
            raise UsageError(f"a partial of {self._name} that holds {error.given}", error.expected, mend) from None

    def check(self, name: str, what: str) -> None:
        """Refuse a name that is no parameter's.

        Raises:
            UsageError: if no parameter has that name.
        """
        if not isinstance(name, str) or name not in self.signature.parameters:
            given = f"{what}={short(name)} for {self._name}{self.signature}"
            raise UsageError(given, "the name of one of its parameters", f"write one of {', '.join(self._names)}")

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return a call's arguments by name, defaults among them.

        Raises:
            TypeError: if the function would refuse the call.
        """
        if not kwargs and len(args) == self._plain:
            return dict(zip(self._names, args, strict=True))
        bound = self.signature.bind(*args, **kwargs)
        bound.apply_defaults()
        return bound.arguments

    def key(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Encoded:
        """Return the key of a call.

        Raises:
            UsageError: if an argument has no encoding; it is named.
            TypeError: if the function would refuse the call.
        """
        if self._all and not kwargs and len(args) == self._plain:
            values = args
        else:
            arguments = self.arguments(args, kwargs)
            values = tuple(arguments[name] for name in self._matter)
        try:
            encoded = encode(values)
            return Encoded(self._prefix + (encoded if len(encoded) <= LONG else _shortened(encoded)))
        except UsageError:
            encode_arguments(dict(zip(self._matter, values, strict=True)))  # says which one it is
            raise

    def spelled(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Spelled:
        """Return the key of a call, which knows the call as a text. It raises what `key` does."""
        arguments = self.arguments(args, kwargs)
        text = ", ".join(f"{name}={spell(arguments[name])}" for name in self._matter)
        return Spelled(self.key(args, kwargs), f"{self._name}({text})")

    def label(self, label: Label, what: str) -> Callable[[tuple[Any, ...], Mapping[str, Any]], Hashable | None]:
        """Return what finds a label in a call's arguments.

        Raises:
            UsageError: if the label is the name of no parameter, or a function that does not take one mapping.
        """
        if label is None:
            return lambda args, kwargs: None
        if callable(label):
            return self._called(label, what)
        self.check(label, what)
        place = self._names.index(label)

        def find(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable | None:
            if place < len(args) and self._plain >= 0:
                found: Hashable | None = args[place]
                return found
            return self.arguments(args, kwargs)[label]  # type: ignore[no-any-return]

        return find

    def _called(
        self, label: Callable[[Mapping[str, Any]], Hashable | None], what: str
    ) -> Callable[[tuple[Any, ...], Mapping[str, Any]], Hashable | None]:
        """Return what asks a user's function for a label. What looks like a wrong use of the arguments is told so.

        Raises:
            UsageError: if the function cannot be called with one argument.
        """
        expected = "a function that is given one mapping, of the call's arguments by name"
        mend = f"write {what}=lambda arguments: arguments[{(self._names or ('name',))[0]!r}]"
        try:
            inspect.signature(label).bind({})
        except TypeError as error:
            raise UsageError(f"{what}={short(label)} for {self._name} ({error})", expected, mend) from None
        except ValueError:  # some that are written in C do not tell
            pass

        def find(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Hashable | None:
            arguments = self.arguments(args, kwargs)
            try:
                return label(arguments)
            except (TypeError, AttributeError, LookupError) as error:
                given = f"{what}= of {self._name}, which raised {type(error).__name__}: {error}"
                raise UsageError(given, expected, mend) from error

        return find


def _shortened(encoded: bytes) -> bytes:
    """Return the digest of encoded arguments, which begins as no encoding does; nobody finds two of the same."""
    return b"~" + hashlib.blake2b(encoded, digest_size=32).digest()
