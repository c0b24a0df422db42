"""What an agent is told when it is rejected."""

from __future__ import annotations

import pytest

from peergate.cli.reject import BECAUSE
from peergate.cli.rejecting import Rejecting, words_of
from peergate.gate.wording import free_text


def _words(**members):
    given = {"reason": None, "because": None, "suggest": None, "lasts": None, **members}
    return words_of(Rejecting(request="cr-x", **given))


def test_a_word_a_text_and_a_suggestion_become_one_line():
    assert _words(reason="wrong one", because="not-now", suggest="a smaller step") == (
        "Not at this time; ask again later. wrong one Ask instead for: a smaller step"
    )


@pytest.mark.parametrize("word", BECAUSE)
def test_the_sentence_of_a_word_reaches_the_agent_whole(word):
    assert free_text(BECAUSE[word]) == BECAUSE[word]
