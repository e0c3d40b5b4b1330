"""How far a receiver of notifications has been told, on both databases."""

from __future__ import annotations

from seatrial.store.deliveries import Position
from seatrial.store.store import Store


def test_a_receiver_begins_once_and_goes_on(store: Store, url: str) -> None:
    book = store.deliveries
    assert book.read("webhook") is None
    assert book.begin("webhook", 7) == Position(7)
    assert book.move("webhook", Position(7), Position(9, 1.5, "away"))
    assert book.begin("webhook", 0) == Position(9, 1.5, "away")
    with Store.open(url) as another:
        assert another.deliveries.read("webhook") == Position(9, 1.5, "away")
        assert another.deliveries.read("other") is None


def test_who_was_slower_moves_nothing(store: Store) -> None:
    book = store.deliveries
    book.begin("webhook", 1)
    assert book.move("webhook", Position(1), Position(2))
    assert not book.move("webhook", Position(1), Position(5))
    assert not book.move("other", Position(1), Position(5))
    assert book.read("webhook") == Position(2)


def test_a_long_fault_is_cut(store: Store) -> None:
    store.deliveries.begin("webhook", 1)
    store.deliveries.move("webhook", Position(1), Position(1, 0.0, "x" * 10_000))
    known = store.deliveries.read("webhook")
    assert known is not None
    assert len(known.fault) == 500
