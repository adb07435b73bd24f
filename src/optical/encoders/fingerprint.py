"""What tells one teacher's vector space from another's."""

import hashlib
from typing import Any

import torch
from sentence_transformers import MultiVectorEncoder

from optical.encoders.sides import document_modules


def fingerprint(encoder: MultiVectorEncoder) -> str:
    """Return 32 hexadecimal digits that name the space of ``encoder``'s passage vectors.

    Two encoders with the same fingerprint make the same passage vectors, so an index built with one can be
    searched with the other: every student distilled from a teacher shares the teacher's fingerprint.
    Hashed are the names, shapes and bytes of all weights on the document side, and its vocabulary.
    """
    modules = document_modules(encoder)
    digest = hashlib.blake2b(digest_size=16)
    for position, module in enumerate(modules):
        for name, tensor in sorted(module.state_dict().items()):
            digest.update(f"{position}.{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(tensor.detach().cpu().contiguous().flatten().view(dtype=torch.uint8).numpy())
    tokenizer: Any = modules[0].tokenizer
    vocabulary = tokenizer.get_vocab()
    digest.update(repr(sorted(vocabulary.items(), key=lambda item: item[1])).encode())
    return digest.hexdigest()
