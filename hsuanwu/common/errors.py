"""The one error that means: the user can mend this."""


class ConfigurationError(ValueError):
    """A mistake in what the user asked for.

    The message is one line that names the key, says what was found and what would be right. The
    command line prints it as ``error: ...`` and exits with status 2.
    """
