"""How right the words are: exact match, token F1, WER, BLEU and chrF, and counts exactly."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

import jiwer
import sacrebleu

_CHINESE: Final = re.compile(r"([\u3400-\u9fff])")
_STEM: Final = 4  # letters of which two words must agree to be forms of one
_NOT_WORD: Final = re.compile(r"[^\w\s]")


def words_of(text: str) -> list[str]:
    """Returns lower-case words without punctuation; every Chinese character is a word."""
    return _NOT_WORD.sub(" ", _CHINESE.sub(r" \1 ", text.lower())).split()


def exact(reference: str, hypothesis: str) -> bool:
    """Tells whether both have the same words in the same order."""
    return words_of(reference) == words_of(hypothesis)


def token_f1(reference: str, hypothesis: str) -> float:
    """Returns the F1 of the words of both, as bags; two texts without words agree."""
    one, other = Counter(words_of(reference)), Counter(words_of(hypothesis))
    if not one and not other:
        return 1.0
    common = sum((one & other).values())
    return 2 * common / (sum(one.values()) + sum(other.values()))


def recalls(reference: str, hypothesis: str, *, told: Sequence[str], question: str) -> bool:
    """Tells whether a reply holds what had to be remembered, in whatever words around it.

    What had to be remembered are the words of the reference that had been told before and are not in the question:
    "You parked on level four." after "I parked on level four." and "Where did I park?" needs *on, level, four*; words
    of which one is the start of the other (park, parked) count as one. A reference of which nothing had been told must
    be met exactly.

    Args:
        reference: The true answer.
        hypothesis: The reply.
        told: What had been said before the question.
        question: The question.
    """
    heard = {word for text in told for word in words_of(text)}
    asked = words_of(question)
    needed = {word for word in words_of(reference) if word in heard and not any(_akin(word, one) for one in asked)}
    return needed <= set(words_of(hypothesis)) if needed else exact(reference, hypothesis)


def _akin(one: str, other: str) -> bool:
    return one == other or (min(len(one), len(other)) >= _STEM and (one.startswith(other) or other.startswith(one)))


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Returns the WER over all pairs together; for Chinese that is the character error rate.

    A pair whose reference has no words adds its inserted words to the errors. Without any reference word it is NaN.
    """
    pairs = [(" ".join(words_of(r)), " ".join(words_of(h))) for r, h in zip(references, hypotheses, strict=True)]
    spoken = [(r, h) for r, h in pairs if r]
    total = sum(len(r.split()) for r, _ in spoken)
    if not total:
        return float("nan")
    extra = sum(len(h.split()) for r, h in pairs if not r)
    measured = jiwer.process_words([r for r, _ in spoken], [h for _, h in spoken])
    return (measured.substitutions + measured.deletions + measured.insertions + extra) / total


def bleu(references: Sequence[str], hypotheses: Sequence[str], *, chinese: bool) -> float:
    """Returns corpus BLEU (0 to 100) by sacrebleu, with its Chinese tokenizer where the target is Chinese."""
    tokenize = "zh" if chinese else "13a"
    return float(sacrebleu.corpus_bleu(list(hypotheses), [list(references)], tokenize=tokenize).score)


def chrf(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Returns corpus chrF (0 to 100) by sacrebleu."""
    return float(sacrebleu.corpus_chrf(list(hypotheses), [list(references)]).score)
