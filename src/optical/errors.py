"""The one exception that users see as a sentence instead of a traceback."""


class OpticalError(Exception):
    """A mistake that the user can mend.

    The message is one or two plain sentences: what is wrong (with the file, line and value where there
    are any) and what to do about it. The command line prints it and exits with code 2.
    """
