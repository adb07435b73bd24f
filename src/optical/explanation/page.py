"""Explanations as a web page of one file."""

import html
import itertools
from collections import defaultdict
from collections.abc import Sequence

from optical.explanation.matches import Explanation, Match

_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{query}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1.05rem/1.6 system-ui, sans-serif; max-width: 46rem; margin: 2rem auto; padding: 0 1rem; }}
h1 {{ font-size: 1.3rem; }}
h2 {{ font-size: 1rem; margin: 2rem 0 .5rem; }}
mark {{
  color: inherit;
  background: color-mix(in srgb, #e8a200 calc(var(--share) * 1%), transparent);
  border-radius: .2em;
}}
mark:focus-visible {{ outline: .15em solid; }}
td, th {{ padding: .1rem 1rem .1rem 0; text-align: start; }}
td:last-child {{ font-variant-numeric: tabular-nums; }}
</style>
<h1 dir="auto">{query}</h1>
{passages}
</html>
"""


def explanation_page(explanations: Sequence[Explanation]) -> str:
    """Return a page that shows passages for one query, best first, with the words that answer it marked.

    A mark is the stronger the more its word adds to the score; it says which words of the query it answers when it is
    pointed at, and a table beside each passage says it to everyone else. The page loads nothing from elsewhere.
    """
    query = explanations[0].query if explanations else ""
    passages = "\n".join(_passage(rank, each) for rank, each in enumerate(explanations, start=1))
    return _PAGE.format(query=html.escape(query), passages=passages)


def _passage(rank: int, explanation: Explanation) -> str:
    rows = "\n".join(
        f'<tr><td dir="auto">{html.escape(match.query.text)}</td><td>{html.escape(match.passage.text)}</td>'
        f"<td>{match.score:.2f}</td></tr>"
        for match in explanation.matches
    )
    return f"""<article>
<h2>{rank}. score {explanation.score:.2f}</h2>
<p dir="auto">{_marked(explanation)}</p>
<details>
<summary>Word by word</summary>
<table>
<tr><th>query</th><th>passage</th><th>score</th></tr>
{rows}
<tr><td colspan="2">special tokens</td><td>{explanation.rest:.2f}</td></tr>
</table>
</details>
</article>"""


def _marked(explanation: Explanation) -> str:
    answers: dict[tuple[int, int], list[Match]] = defaultdict(list)
    for match in explanation.matches:
        answers[match.passage.start, match.passage.end].append(match)
    strongest = max((sum(match.score for match in matches) for matches in answers.values()), default=1.0)
    parts = []
    last = 0
    for (start, end), matches in sorted(answers.items()):
        share = max(10, round(70 * sum(match.score for match in matches) / strongest))
        asked = ", ".join(match.query.text for match in matches)
        parts.append(html.escape(explanation.passage[last:start]))
        parts.append(
            f'<mark style="--share:{share}" tabindex="0" title="{html.escape(asked)}">'
            f"{html.escape(explanation.passage[start:end])}</mark>"
        )
        last = end
    return "".join(itertools.chain(parts, [html.escape(explanation.passage[last:])]))
