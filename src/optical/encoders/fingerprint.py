"""What tells one teacher's vector space from another's."""

import hashlib
import json
from typing import Any, Literal

import torch
from sentence_transformers import CrossEncoder, MultiVectorEncoder

from optical.encoders.sides import document_modules, query_modules


def fingerprint(
    encoder: MultiVectorEncoder | CrossEncoder, side: Literal["document", "query"] = "document"
) -> str:
    """Return 32 hexadecimal digits that name the space of ``encoder``'s passage vectors.

    Two encoders with the same fingerprint make the same passage vectors, so an index built with one can be
    searched with the other: every student distilled from a teacher shares the teacher's fingerprint.
    Hashed are the weights on the document side (names, shapes and bytes), its vocabulary, its prompt, and the
    settings that decide which tokens get a vector. With ``side="query"`` the same of the query side. Of a
    cross-encoder, which has no sides, all is hashed.
    """
    modules: list[Any] = list(query_modules(encoder) if side == "query" else document_modules(encoder))
    digest = hashlib.blake2b(digest_size=16)
    for position, module in enumerate(modules):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{position}.{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(dtype=torch.uint8).numpy())
    vocabulary = modules[0].tokenizer.get_vocab()
    digest.update(repr(sorted(vocabulary.items(), key=lambda item: item[1])).encode())
    deciding = ("query_length", "document_length", "query_expansion", "skiplist_words", "keep_only_token_ids")
    settings = [
        getattr(module, name) for module in modules for name in deciding if getattr(module, name, None)
    ]
    digest.update(json.dumps([encoder.prompts.get(side) or "", settings]).encode())
    return digest.hexdigest()
