"""What a built collection consists of."""

from collections import Counter
from dataclasses import dataclass, field

from optical.collections.wikiclir.options import SPLITS


@dataclass
class Statistics:
    """Figures of a built collection; filled while it is built.

    ``queries``: a split -> its queries. ``judgements``: a split -> relevance -> judgements. ``skipped``: reason ->
    articles left out.
    """

    passages: int = 0
    passage_words: int = 0
    query_words: int = 0
    queries: Counter[str] = field(default_factory=Counter)
    judgements: dict[str, Counter[int]] = field(
        default_factory=lambda: {split: Counter() for split in SPLITS}
    )
    skipped: Counter[str] = field(default_factory=Counter)

    def count_passage(self, text: str) -> None:
        """Count a passage."""
        self.passages += 1
        self.passage_words += len(text.split())

    def count_query(self, text: str, split: str) -> None:
        """Count a query."""
        self.queries[split] += 1
        self.query_words += len(text.split())

    @property
    def mean_passage_words(self) -> float:
        """Mean length of the passages in words, without their titles."""
        return self.passage_words / max(1, self.passages)

    @property
    def mean_query_words(self) -> float:
        """Mean length of the queries in words."""
        return self.query_words / max(1, self.queries.total())

    def reasons(self) -> str:
        """Return in words how much was left out, and why."""
        return (
            ", ".join(f"{reason}: {count:,}" for reason, count in sorted(self.skipped.items()))
            or "nothing read"
        )

    def as_record(self) -> dict[str, object]:
        """Return the figures for a JSON file."""
        return {
            "queries": {split: self.queries[split] for split in SPLITS},
            "passages": self.passages,
            "judgements": {
                split: {str(level): count for level, count in sorted(self.judgements[split].items())}
                for split in SPLITS
            },
            "mean_query_words": round(self.mean_query_words, 2),
            "mean_passage_words": round(self.mean_passage_words, 2),
            "skipped": dict(sorted(self.skipped.items())),
        }
