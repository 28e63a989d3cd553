"""The order of tries when the cloud has no machine to give."""

from flows.machines.choices import Choice, list_choices

TYPES, ZONES = ["g6.xlarge", "g5.xlarge"], ["subnet-a", "subnet-b"]


def test_a_group_asks_for_everything_at_once_and_then_on_demand() -> None:
    both = (tuple(TYPES), tuple(ZONES))
    assert list_choices("group", TYPES, ZONES, spot=True) == [Choice(*both, True), Choice(*both, False)]
    assert list_choices("group", TYPES, ZONES, spot=False) == [Choice(*both, False)]


def test_a_single_machine_goes_through_zones_then_types_and_is_on_demand() -> None:
    tries = list_choices("instance", TYPES, ZONES, spot=True)
    assert [(one.types[0], one.subnets[0], one.spot) for one in tries] == [
        ("g6.xlarge", "subnet-a", False),
        ("g6.xlarge", "subnet-b", False),
        ("g5.xlarge", "subnet-a", False),
        ("g5.xlarge", "subnet-b", False),
    ]


def test_a_choice_says_what_it_asks_for() -> None:
    assert str(Choice(("g6.xlarge", "g5.xlarge"), ("subnet-a",), True)) == "g6.xlarge or g5.xlarge, spot, in subnet-a"
