"""All claims and commands. A new benchmark adds a module with both, and its name here."""

from benchmarks.claims import by_hand, history, live, store
from benchmarks.claims.model import Claim, Command

COMMANDS: dict[str, Command] = {
    each.name: each for module in (live, history, store) for each in module.COMMANDS
}
CLAIMS: list[Claim] = [
    claim for module in (live, history, store, by_hand) for claim in module.CLAIMS
]


def claims_of(command: str) -> list[Claim]:
    """Return the claims that a command measures."""
    return [each for each in CLAIMS if each.command == command]


def chosen(only: str) -> list[Command]:
    """Return the commands to run: all, or those of the commands or claims that are named.

    Raises:
        ValueError: there is none of that name.
    """
    if not only.strip():
        return list(COMMANDS.values())
    measured = {each.name: each.command for each in CLAIMS}
    wanted = set()
    for name in only.replace(",", " ").split():
        if name not in COMMANDS and not measured.get(name):
            by_hand_too = ", which is measured by hand" if name in measured else ""
            raise ValueError(f"ONLY was {name!r}{by_hand_too}; commands: {', '.join(COMMANDS)}")
        wanted.add(name if name in COMMANDS else measured[name])
    return [each for each in COMMANDS.values() if each.name in wanted]
