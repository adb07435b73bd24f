"""One subword tokenizer for two languages."""

from collections import Counter

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from optical.bitext import Bitext

LONGEST_SENTENCE = 512

_PAD, _END, _UNKNOWN = "<pad>", "</s>", "<unk>"
_SPACE = "\u2581"  # what stands for a space at the beginning of a word
_LEAST_LETTER_COUNT = 3


def learn_subwords(bitext: Bitext, size: int) -> PreTrainedTokenizerFast:
    """Learn byte-pair encoding (Sennrich et al. 2016, arXiv 1508.07909) on both sides of ``bitext``, in any script.

    The tokenizer makes text lower-case and NFKC, never joins punctuation or digits to words, and ends every sentence
    with </s>. The same bitext and ``size`` (of the vocabulary, unless there are more letters than that) give the same
    tokenizer on every machine.
    """
    texts = [*bitext.english, *bitext.foreign]
    normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()])
    letters: Counter[str] = Counter()
    for text in texts:
        letters.update(normalizer.normalize_str(text).replace(" ", _SPACE))
    # Left to itself, the learner would choose between letters of equal count by chance.
    alphabet = sorted(letter for letter, count in letters.items() if count >= _LEAST_LETTER_COUNT)
    backend = Tokenizer(models.BPE(unk_token=_UNKNOWN, fuse_unk=True))
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Metaspace(_SPACE),
            pre_tokenizers.Punctuation(behavior="isolated"),
            pre_tokenizers.Digits(individual_digits=True),
        ]
    )
    backend.decoder = decoders.Metaspace(_SPACE)
    learner = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=2,
        special_tokens=[_PAD, _END, _UNKNOWN],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    backend.train_from_iterator(texts, learner)
    backend.post_processor = processors.TemplateProcessing(
        single=f"$A {_END}", special_tokens=[(_END, backend.token_to_id(_END))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        pad_token=_PAD,
        eos_token=_END,
        unk_token=_UNKNOWN,
        model_max_length=LONGEST_SENTENCE,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
    )
