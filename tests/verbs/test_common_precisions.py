"""Types below 16 bit that several devices train in: the refusal names the device that lacks them."""

from __future__ import annotations

import msgspec
import pytest

from cardyears.base.errors import Contradiction
from cardyears.case import Job
from cardyears.catalogue.load import load
from cardyears.machine.rates import LOW_PRECISION
from cardyears.question.question import read_question
from cardyears.verbs.estimate import estimate_layout
from cardyears.verbs.plan import common_precisions


def job(on: str) -> Job:
    return estimate_layout(read_question("gpt2", on=on), load()).job


def only(one: Job, *names: str) -> Job:
    """The job on a device that gains by these types below 16 bit alone."""
    gain = {name: value for name, value in one.silicon.gain.items() if name not in LOW_PRECISION}
    silicon = msgspec.structs.replace(one.silicon, gain={**gain, **dict.fromkeys(names, 1.5)})
    return msgspec.structs.replace(one, silicon=silicon)


def test_the_device_that_lacks_them_is_named_in_either_order() -> None:
    new, old = job("8x H100"), job("8x A100")
    for both in ((new, old), (old, new)):
        with pytest.raises(Contradiction, match="A100 SXM 80GB trains in none of them"):
            common_precisions(*both)


def test_devices_that_have_some_and_none_in_common_are_not_said_to_have_none() -> None:
    one = job("8x H100")
    first, *_, last = LOW_PRECISION
    assert common_precisions(only(one, first), only(one, first, last)) == (first,)
    with pytest.raises(Contradiction, match="these devices have none in common"):
        common_precisions(only(one, first), only(one, last))
