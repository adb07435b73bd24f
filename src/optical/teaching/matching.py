"""What must be the same for one encoder to learn the token vectors of another."""

import json
from collections.abc import Callable
from typing import Any

from sentence_transformers import MultiVectorEncoder

from optical.encoders import document_modules, query_limit, query_modules, query_transformer
from optical.errors import OpticalError


def require_equal_sides(teacher: MultiVectorEncoder, name: str) -> None:
    """Raise :class:`OpticalError` unless the teacher makes the vectors of queries and passages alike."""
    queries, passages = query_modules(teacher), document_modules(teacher)
    prompts = [teacher.prompts.get(side) or "" for side in ("query", "document")]
    if len(queries) != len(passages) or any(
        one is not other for one, other in zip(queries, passages, strict=True)
    ):
        problem = "has other weights for queries than for passages"
    elif prompts[0] != prompts[1]:
        problem = f"puts {prompts[0]!r} before queries and {prompts[1]!r} before passages"
    elif any(getattr(module, "skiplist_words", None) for module in passages):
        problem = "leaves some words of passages out"
    else:
        return
    raise OpticalError(
        f"The teacher {name} {problem}, but its student gets one side for both. Choose a teacher whose two sides are "
        "the same."
    )


def require_same_tokens(student: MultiVectorEncoder, teacher: MultiVectorEncoder, name: str) -> None:
    """Raise :class:`OpticalError` unless both make vectors of the same tokens, of the same dimension."""
    first, second = (
        json.loads(query_transformer(encoder).tokenizer.backend_tokenizer.to_str())
        for encoder in (student, teacher)
    )
    if any(first[part] != second[part] for part in ("model", "normalizer", "pre_tokenizer")):
        raise OpticalError(
            f"The student {name} splits text into other tokens than the teacher, so that their vectors do not belong "
            "together one by one. Choose a student with the teacher's tokenizer, or 'small'."
        )
    if student.get_embedding_dimension() != teacher.get_embedding_dimension():
        raise OpticalError(
            f"The student {name} makes vectors of {student.get_embedding_dimension()} dimensions, the teacher of "
            f"{teacher.get_embedding_dimension()}. Choose a student of the teacher's dimension, or 'small'."
        )
    deciding: dict[str, Callable[[MultiVectorEncoder], Any]] = {
        "prompt before queries": lambda encoder: encoder.prompts.get("query") or "",
        "query expansion": lambda encoder: query_transformer(encoder).query_expansion,
        "limit of tokens": query_limit,
    }
    for what, of in deciding.items():
        if of(student) != of(teacher):
            raise OpticalError(
                f"The {what} of the student {name} is {of(student)!r}, that of the teacher {of(teacher)!r}, so that "
                "they do not make vectors of the same tokens. Choose a student or a teacher with that of the other."
            )
