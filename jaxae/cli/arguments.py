"""The words of a command line, divided into options and the words that follow each."""


def split(arguments: list[str]) -> list[tuple[str, list[str]]]:
    """`--batch-size=3 --widths 3 4` -> [("--batch_size", ["3"]), ("--widths", ["3", "4"])].

    Words before the first option come under "". After `=` a value may begin with dashes.
    """
    options: list[tuple[str, list[str]]] = [("", [])]
    for argument in arguments:
        if argument.startswith("--"):
            name, equals, value = argument[2:].partition("=")
            options.append((f"--{name.replace('-', '_')}", [value] if equals else []))
        else:
            options[-1][1].append(argument)
    return options if options[0][1] else options[1:]


def words_after(option: str, arguments: list[str]) -> list[str] | None:
    """Return the words after an option that is needed before the others are read; None if it is not given."""
    return dict(split(arguments)).get(option)
