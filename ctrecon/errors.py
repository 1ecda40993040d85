"""What a person did that cannot be done: reported in one line, exit status 2."""


class InputError(ValueError):
    """Wrong input. The message is one line: the value, what was expected, the cure."""
