"""The daemon's life as a value: what follows what, and what a later order may change."""

import pytest

from opusagent.daemon.life import Life, Phase, is_alive
from opusagent.errors import LocalProtocolError
from opusagent.units import LoopTime

T0, T1, T2 = LoopTime(0.0), LoopTime(10.0), LoopTime(20.0)
STARTING = Life(Phase.STARTING, T0)
READY = Life(Phase.READY, T0)
RELOADING = Life(Phase.RELOADING, T0)
DRAINING = Life(Phase.DRAINING, T0, LoopTime(60.0))
STOPPING = Life(Phase.STOPPING, T0)


def test_only_ready_and_reloading_are_ready() -> None:
    """A reload does not take a machine out of its balancer."""
    lives = (STARTING, READY, RELOADING, DRAINING, STOPPING)
    assert [life.is_ready for life in lives] == [False, True, True, False, False]
    assert [life.is_ending for life in lives] == [False, False, False, True, True]


def test_the_way_of_a_daemon_that_is_reloaded_once_and_drained() -> None:
    assert STARTING.ready(T0) == READY
    assert READY.reloading(T1) == Life(Phase.RELOADING, T1)
    assert RELOADING.ready(T1) == Life(Phase.READY, T1)
    assert READY.draining(T1, 60) == Life(Phase.DRAINING, T1, LoopTime(70.0))
    assert DRAINING.stopping(T1) == Life(Phase.STOPPING, T1)


def test_a_drain_that_begins_during_a_reload_goes_on_after_it() -> None:
    draining = RELOADING.draining(T1, 60)
    assert draining.ready(T2) == draining


@pytest.mark.parametrize("life", [STARTING, RELOADING, DRAINING, STOPPING], ids=lambda life: life.phase.value)
def test_only_a_ready_daemon_reloads(life: Life) -> None:
    with pytest.raises(LocalProtocolError, match=f"a daemon that is {life.phase.value} does not reload"):
        life.reloading(T1)


def test_a_later_order_to_drain_hastens_and_never_delays() -> None:
    assert DRAINING.draining(T1, 0) == Life(Phase.DRAINING, T0, T1)
    assert DRAINING.draining(T1, 600) == DRAINING


def test_nothing_comes_back_from_stopping() -> None:
    assert [STOPPING.ready(T1), STOPPING.draining(T1, 60), STOPPING.stopping(T1)] == [STOPPING] * 3


def test_the_watchdog_is_fed_while_the_loop_turns_and_most_calls_can_end() -> None:
    assert is_alive(lateness=1.9, calls=0, stuck=0)
    assert is_alive(lateness=0.0, calls=4, stuck=2)
    assert not is_alive(lateness=2.0, calls=0, stuck=0)
    assert not is_alive(lateness=0.0, calls=3, stuck=2)
