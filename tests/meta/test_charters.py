"""Each package says what belongs into it, what does not, and who calls it."""

from __future__ import annotations

import pytest

from tests.meta.modules import packages

SENTENCES = ("Belongs here: ", "Does not belong: ", "Called by: ")


def missing(docstring: str | None) -> list[str]:
    """The sentences of a charter that a docstring lacks."""
    lines = (docstring or "").splitlines()
    return [sentence for sentence in SENTENCES if not any(line.startswith(sentence) for line in lines)]


def test_every_package_has_a_charter() -> None:
    lacking = {package.__name__: lines for package in packages() if (lines := missing(package.__doc__))}
    assert not lacking


def test_there_are_packages_to_look_at() -> None:
    assert {"seatrial.domain", "seatrial.bundle", "seatrial.text"} <= {package.__name__ for package in packages()}


@pytest.mark.parametrize("sentence", SENTENCES)
def test_a_charter_that_lacks_a_sentence_is_found(sentence: str) -> None:
    lines = [f"{one}something." for one in SENTENCES]
    assert missing("\n".join(lines)) == []
    assert missing("\n".join(line for line in lines if not line.startswith(sentence))) == [sentence]
    assert missing(None) == list(SENTENCES)
