"""Readers of a service that limits us read one after the other."""

from shared.services.turns import Turns


def test_all_read_until_the_service_limits_us_then_the_oldest_alone() -> None:
    turns, readers = Turns(), [object() for _ in range(3)]
    assert all(turns.admits(reader) for reader in readers)
    turns.narrow()
    assert [turns.admits(reader) for reader in readers] == [True, False, False]


def test_for_each_that_ends_without_a_refusal_one_more_may_read() -> None:
    turns, readers = Turns(), [object() for _ in range(12)]
    turns.narrow()
    for ended in range(6):
        assert sum(turns.admits(reader) for reader in readers) == min(ended + 1, len(readers))
        turns.leave(readers.pop(0), refused=False)
    turns.leave(readers[0], refused=False)
    assert all(turns.admits(object()) for _ in range(20))


def test_who_leaves_because_it_was_refused_widens_nothing() -> None:
    turns, first, second, third = Turns(), object(), object(), object()
    turns.narrow()
    assert turns.admits(first)
    assert not turns.admits(second)
    turns.leave(first, refused=True)
    assert turns.admits(second)
    assert not turns.admits(third)
    turns.leave(third, refused=False)
    assert not turns.admits(third)
