"""What a person did that cannot be done: told in one line, exit status 2."""


class InputError(ValueError):
    """Wrong input. The message is one line: the value, what was expected, the cure."""
