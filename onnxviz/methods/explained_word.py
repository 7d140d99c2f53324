"""A word of a closed vocabulary, with the sentence that explains the word to a person."""

from __future__ import annotations

from enum import Enum


class ExplainedWord(str, Enum):
    """The base of enumerations whose members are words; equal to the plain word, so that JSON holds the word.

    Attributes
    ----------
    sentence : str
        What the word means; "" where there is nothing to explain.
    """

    sentence: str

    def __new__(cls, word: str, sentence: str) -> ExplainedWord:
        """Make a member of a word and its sentence."""
        member = str.__new__(cls, word)
        member._value_ = word
        member.sentence = sentence
        return member

    def __str__(self) -> str:
        """Return the plain word, in every version of Python."""
        return str(self.value)
