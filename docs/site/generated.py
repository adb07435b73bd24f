"""MkDocs hook: pages that measurements made are taken from where they were made, never copied by hand."""

from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

_ROOT = Path(__file__).parents[2]
_STUDY = (
    "*.md",
    "*.toml",
    "pretraining/*.md",
    "pretraining/*.toml",
    "results/*/report.md",
    "results/*/figures/*",
)
_PLACE, _BEGIN, _END = "<!-- the tables of README.md -->", "<!-- tables:", "<!-- /tables -->"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the study's report, with its figures and configurations, at the same relative places."""
    for pattern in _STUDY:
        for path in sorted((_ROOT / "study").glob(pattern)):
            name = path.relative_to(_ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Put the tables that benchmarks/readme_tables.py wrote where a page asks for them."""
    if _PLACE not in markdown:
        return markdown
    readme = (_ROOT / "README.md").read_text(encoding="utf-8")
    tables = readme[readme.index("\n", readme.index(_BEGIN)) : readme.index(_END)]
    return markdown.replace(_PLACE, tables)
