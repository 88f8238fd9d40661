from hsuanwu.common.clock import Clock


def test_a_run():
    clock = Clock(total_steps=10)
    assert (clock.steps, clock.updates, clock.fraction, clock.is_over) == (0, 0, 0.0, False)
    clock.advance(4)
    clock.advance(0)
    assert (clock.steps, clock.updates, clock.fraction, clock.is_over) == (4, 2, 0.4, False)
    clock.advance(6)
    assert (clock.fraction, clock.is_over) == (1.0, True)


def test_the_last_update_may_overshoot():
    clock = Clock(total_steps=10, steps=8, updates=3)
    clock.advance(5)
    assert (clock.steps, clock.updates, clock.fraction, clock.is_over) == (13, 4, 1.0, True)
