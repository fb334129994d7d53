"""What can go wrong, in two kinds: a bad file, which is set aside, and a failed assumption, which stops."""


class HissError(Exception):
    """A failed assumption: stops the job; its message says what is wrong and what to do."""


class BadInput(HissError):
    """One input file cannot be used; it goes to the rejects table with this message and the rest goes on."""
