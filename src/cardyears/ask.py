"""The whole story on one page: what was said, what is known, what follows.

    Question + catalogue -> Case -> Answer

Read this first. Everything above it reads words or draws pictures; everything below it is sums.
"""

from __future__ import annotations

from cardyears.answer.answer import Answer, answer
from cardyears.catalogue.load import Catalogue
from cardyears.question.question import Question
from cardyears.resolve.resolve import resolve


def ask(question: Question, catalogue: Catalogue) -> Answer:
    """The answer to a question.

    >>> from cardyears.catalogue.load import load
    >>> from cardyears.question.question import read_question
    >>> found = ask(read_question("gpt-3", on="RTX 4070 Ti", duration="1y"), load())
    >>> found.verdict
    <Verdict.NO: 'no'>
    """
    return answer(resolve(question, catalogue, strict=True))
