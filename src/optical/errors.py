"""The one exception that users see as a sentence instead of a traceback."""


class OpticalError(Exception):
    """A mistake that the user can mend.

    The message is one or two plain sentences: what is wrong (with the file, line and value where there
    are any) and what to do about it. The command line prints it and exits with code 2.
    """


def beginning(text: str, most: int = 60) -> str:
    """Return as much of a text as a message has room for: its first ``most`` characters, and dots for the rest."""
    return text if len(text) <= most else f"{text[:most]}..."
