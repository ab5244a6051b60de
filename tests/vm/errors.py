"""The one kind of failure that the tool reports itself."""


class VmError(Exception):
    """Something that the user can act on: `str()` is one line that says what is wrong and what to do.

    `details` is what a user may want to read before that line, such as the end of a guest's console.
    """

    def __init__(self, message: str, details: str = "") -> None:
        super().__init__(" ".join(message.split()))
        self.details = details
