"""Two processes that set the same value at once, as the databases tell of it."""

import pytest

from judgeforge.tracking import set_value

SQLITE = "(sqlite3.IntegrityError) UNIQUE constraint failed: model_version_tags.key"
POSTGRES = '(psycopg2.errors.UniqueViolation) duplicate key violates unique constraint "registered_model_alias_pk"'
MYSQL = "(pymysql.err.IntegrityError) (1062, \"Duplicate entry 'a' for key 'PRIMARY'\")"


class Setter:
    def __init__(self, *failures: str) -> None:
        self.failures, self.calls = list(failures), list[tuple[str, ...]]()

    def __call__(self, *arguments: str) -> None:
        self.calls.append(arguments)
        if self.failures:
            raise RuntimeError(self.failures.pop(0))


@pytest.mark.parametrize("said", [SQLITE, POSTGRES, MYSQL])
def test_a_value_that_another_one_has_just_set_is_set_again(said: str) -> None:
    setter = Setter(said, said)
    set_value(setter, "name", "champion", "3")
    assert setter.calls == [("name", "champion", "3")] * 3


def test_other_failures_are_raised_at_once_and_collisions_without_end_at_last() -> None:
    setter = Setter("no such model")
    with pytest.raises(RuntimeError, match="no such model"):
        set_value(setter, "name")
    assert len(setter.calls) == 1
    setter = Setter(*[SQLITE] * 20)
    with pytest.raises(RuntimeError, match="UNIQUE"):
        set_value(setter, "name")
    assert len(setter.calls) == 8
