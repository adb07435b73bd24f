"""MkDocs hook: the pages of the study are taken from where it was made, never copied by hand."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

_ROOT = Path(__file__).parents[2]
_STUDY = (
    "*.md",
    "*.toml",
    "pretraining/*.md",
    "pretraining/*.toml",
    "results/*/report.md",
    "results/*/figures/*",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the study's report, with its figures and configurations, at the same relative places."""
    for pattern in _STUDY:
        for path in sorted((_ROOT / "study").glob(pattern)):
            name = path.relative_to(_ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files
