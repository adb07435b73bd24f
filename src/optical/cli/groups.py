"""Commands that have commands of their own."""

import typer
from typer.core import TyperGroup


def group(default: str, help: str) -> typer.Typer:
    """Return an empty group of commands, in which the name of one of them may be left out."""

    class DefaultGroup(TyperGroup):
        def parse_args(self, ctx: typer.Context, args: list[str]) -> list[str]:  # type: ignore[override]
            if args and args[0] not in (*self.commands, "--help"):
                args = [default, *args]
            return super().parse_args(ctx, args)

    return typer.Typer(cls=DefaultGroup, no_args_is_help=True, help=help)
