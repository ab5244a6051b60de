"""Reading the a{sv} arguments of calls: every key is known, every type is the documented one."""

from typing import Any

from rdtd.bus.library import Variant
from rdtd.core.errors import InvalidRequest

# What the types that rdtd's interfaces use hold, for the texts of errors.
_MEANINGS = {
    "b": "a boolean",
    "s": "a string",
    "u": "a number",
    "t": "a number",
    "au": "a list of numbers",
    "aa{sv}": "a list of dictionaries",
}


class Reader:
    """Takes values out of an a{sv} dictionary; `done` then refuses what was not taken.

        reader = Reader(region, "region 2")
        size = reader.take("size", "t", meaning="bytes")
        reader.done()

    The texts of errors name the key, and `where` if it is given: `region 2: 'size' must be t (bytes), not s`.
    """

    def __init__(self, values: dict[str, Variant], where: str = "") -> None:
        self._left = dict(values)
        self._known: list[str] = []
        self._prefix = f"{where}: " if where else ""

    def __contains__(self, key: str) -> bool:
        return key in self._left

    def take(self, key: str, *signatures: str, default: Any = None, meaning: str = "") -> Any:
        """The value of a key, which must have one of these types; the default if the key is not there.

        `meaning` says what the value is, for the text of the error. Raises InvalidRequest.
        """
        self._known.append(key)
        value = self._left.pop(key, None)
        if value is None:
            return default
        if value.signature not in signatures:
            expected = " or ".join(
                f"{each} ({meaning or _MEANINGS.get(each, 'D-Bus type')})" for each in signatures
            )
            raise InvalidRequest(f"{self._prefix}'{key}' must be {expected}, not {value.signature}")
        return value.value

    def require(self, key: str, *signatures: str, meaning: str = "") -> Any:
        """As `take`, for a key that must be there."""
        if key not in self._left:
            raise InvalidRequest(f"{self._prefix}'{key}' is missing")
        return self.take(key, *signatures, meaning=meaning)

    def done(self) -> None:
        """Refuse the keys that nobody took. Raises InvalidRequest with those that are known."""
        for key in sorted(self._left):
            known = (
                f"the known ones are {', '.join(sorted(self._known))}"
                if self._known
                else "there are none yet"
            )
            raise InvalidRequest(f"{self._prefix}unknown key {key!r}: {known}")
