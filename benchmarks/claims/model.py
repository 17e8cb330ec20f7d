"""What a claim is, and what measures it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

ROOT = Path(__file__).resolve().parents[2]

#: Where a figure is in a command's JSON, key by key; or a pattern, whose group is in its output.
Place = tuple[str | int, ...] | str
Better = Literal["lower", "higher"]
_NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


@dataclass(frozen=True)
class Command:
    """What is run to measure claims: a target of make, a script, or tests.

    Attributes:
        name: what ``ONLY`` may name.
        target: of make; or the path of a script, or of tests, from the repository's root.
        arguments: what is given to it; a target gets them as ARGS.
        quick: the same with little work, to try whether it runs.
        variables: of its environment.
        quick_variables: the same for a try.
        runs: how often, where that is not what was asked for.
        writes_json: it takes ``--json FILE``.
        stated_on: when and where the documents' figures were measured, as they say.
    """

    name: str
    target: str
    stated_on: str
    arguments: str = ""
    quick: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    quick_variables: Mapping[str, str] = field(default_factory=dict)
    runs: int | None = None
    writes_json: bool = True

    @property
    def is_tests(self) -> bool:
        """Whether pytest runs it."""
        return self.target.startswith("tests/")

    @property
    def is_script(self) -> bool:
        """Whether Python runs it."""
        return self.target.endswith(".py") and not self.is_tests

    def shown(self) -> str:
        """Return it as a user types it."""
        given = "".join(f"{name}={value} " for name, value in self.variables.items())
        if self.is_tests:
            return f"{given}python -m pytest -q -s {self.target}"
        if self.is_script:
            return f"{given}python {self.target} {self.arguments}".strip()
        quoted = f' ARGS="{self.arguments}"' if self.arguments else ""
        return f"{given}make {self.target}{quoted}"


@dataclass(frozen=True)
class Claim:
    """One figure of the documents.

    Attributes:
        name: what ``ONLY`` may name.
        statement: what the figure is of.
        stated_in: the file that says so, from the repository's root.
        quote: its words there, with the figure among them.
        figure: the figure as it is written.
        unit: of it.
        command: the name of what measures it; empty where nothing does.
        place: where the figure is in what the command gives.
        better: which way a change is an improvement.
        factor: what the given figure is multiplied by.
        bound: what it must not be worse than, where that was asked for.
        why_not: why nothing measures it.
    """

    name: str
    statement: str
    stated_in: str
    quote: str
    figure: str
    unit: str = ""
    command: str = ""
    place: Place = ()
    better: Better = "lower"
    factor: float = 1.0
    bound: float | None = None
    why_not: str = ""

    @property
    def stated(self) -> float:
        """The figure as a number."""
        return float(self.figure.replace(",", ""))

    def read(self, figures: object, output: str) -> float:
        """Return the figure out of what its command gave.

        Raises:
            LookupError: it is not there.
        """
        if isinstance(self.place, str):
            found = re.search(self.place, output)
            if found is None:
                raise LookupError(f"its output has nothing like {self.place!r}")
            return float(found[1].replace(",", "")) * self.factor
        value: Any = figures
        for key in self.place:
            try:
                value = value[key]
            except (LookupError, TypeError):
                raise LookupError(
                    f"its figures have no {' / '.join(map(str, self.place))}"
                ) from None
        return float(value) * self.factor

    def is_worse(self, value: float, than: float) -> bool:
        """Return whether a value is worse than another."""
        return value > than if self.better == "lower" else value < than


@dataclass(frozen=True)
class Column:
    """What a column of a table of figures holds."""

    suffix: str
    says: str
    key: tuple[str, ...]
    unit: str
    better: Better = "lower"


def row_of(
    name: str,
    says: str,
    stated_in: str,
    row: str,
    columns: Sequence[Column | None],
    *,
    command: str,
    place: tuple[str | int, ...] = (),
) -> list[Claim]:
    """Return the claims of a table's row, as the document has it; None passes over a cell.

    A cell may hold two figures, with a comma and a space between them: two columns.
    """
    cells = ", ".join(row.strip("|").split("|")[1:]).split(", ")
    claims = []
    for cell, column in zip(cells, columns, strict=False):
        found = _NUMBER.search(cell)
        if column is None or found is None:
            continue
        claims.append(
            Claim(
                name=f"{name}-{column.suffix}",
                statement=f"{says}, {column.says}",
                stated_in=stated_in,
                quote=row,
                figure=found[0],
                unit=column.unit,
                command=command,
                place=place + column.key,
                better=column.better,
            )
        )
    return claims
