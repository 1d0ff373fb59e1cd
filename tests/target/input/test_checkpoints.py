"""No state goes out behind a record that is not stored."""

from __future__ import annotations

from target_rainfocus_attendees.input.checkpoints import Checkpoints


class Stopped(Exception):  # noqa: N818
    """A signal, at the worst moment."""


def test_a_signal_while_a_record_is_lost_lets_no_state_pass() -> None:
    checkpoints = Checkpoints()
    number = checkpoints.record()
    checkpoints.state({"n": 1})

    class Interrupting(set[int]):
        def discard(self, element: object) -> None:
            self -= {element}
            raise Stopped

    checkpoints._open = Interrupting(checkpoints._open)  # noqa: SLF001
    try:
        checkpoints.lost([number])
    except Stopped:
        assert checkpoints.take() is None


def test_states_wait_for_the_records_before_them() -> None:
    checkpoints = Checkpoints()
    one = checkpoints.record()
    checkpoints.state({"n": 1})
    two = checkpoints.record()
    checkpoints.state({"n": 2})
    checkpoints.settled([two])
    assert checkpoints.take() is None
    checkpoints.settled([one])
    assert checkpoints.take() == {"n": 2}
    assert checkpoints.take() is None
