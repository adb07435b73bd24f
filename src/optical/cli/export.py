"""``optical export``: an encoder's query side for a faster runtime."""

from pathlib import Path
from typing import Annotated

import typer


def export(
    encoder: Annotated[
        str,
        typer.Argument(
            help="Folder made by graft or distill, or any saved encoder; with --output also the name of a bundled one."
        ),
    ],
    onnx: Annotated[
        bool, typer.Option("--onnx", help="Export to ONNX, for ONNX Runtime on the CPU.")
    ] = False,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder for a copy of the encoder with the export, in place of its own folder."),
    ] = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8", help="Weights and products in 8 bits: smaller, faster, slightly other vectors."
        ),
    ] = False,
) -> None:
    """Put an export of the query side into an encoder's folder, where search, explain and evaluate find it."""
    from optical.cli.terminal import quiet, say
    from optical.encoders import export_onnx
    from optical.errors import OpticalError

    quiet()
    if not onnx:
        raise OpticalError("No format is named. Give --onnx.")
    say(f"Exporting the query side of {encoder}: this takes up to a minute.")
    exported = export_onnx(encoder, output=output, int8=int8)
    size = sum(file.stat().st_size for file in exported.iterdir())
    say(f"Saved to {exported} ({size / 1e6:.1f} MB).")
