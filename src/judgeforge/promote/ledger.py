"""The ledger of a registered model: what was done to its aliases, in order, and by whom.

MLflow has no compare-and-swap, but a run's parameter can be written once and never changed: an entry is a parameter
whose name is its number. Of all who try to write the next one, one succeeds; the others learn what came before them.
The aliases follow the ledger, so whatever is interrupted after an entry stands is completed by the next who comes
(docs/promotion.md).
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from judgeforge.errors import EnvironmentFault, InputError
from judgeforge.promote.versions import list_versions
from judgeforge.tracking import set_value, tenacious_store

LEDGER_TAG = "judgeforge.ledger"
"""On the registered model: the run whose parameters are its ledger."""
WEIGHTS_TAG = "weights_digest"
LONGEST_WHY = 500
"""Characters of a reason."""
LONGEST_NAME = 100
"""Characters of a person's name."""

_PREFIX = "ledger."
_TAKEN, _ABSENT = "INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST"
_LONGEST_ENTRY = 6000
"""Characters of a parameter of MLflow's, which cuts off what is longer, and says nothing."""
MOST_VERSIONS = 300
"""Of one entry, so that it stays below the 6,000 characters that MLflow allows."""

Action = Literal["promote", "rollback", "retire", "reinstate", "collect"]


class Entry(BaseModel):
    """One thing that was done.

    Args:
        action: ``promote``, ``rollback``, ``retire`` or ``reinstate`` one version, or ``collect`` several, whose
            weights go.
        versions: to which: of a promotion or rollback, the champion from then on.
        before: the champion at that time; None: there was none.
        who: asked for it.
        when: ISO 8601, UTC.
        why: the reason that was given.
        forced: against the gate.
        approved_by: who approved it; None: nobody was asked.
        summary: the gate's sentence, shortened.
        figures: the champion's primary measures, as far as the decision has them.
        mark: makes it different from an equal entry of someone else.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    action: Action
    versions: tuple[str, ...] = Field(min_length=1, max_length=MOST_VERSIONS)
    before: str | None = None
    who: str
    when: str = Field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    why: str = Field(default="", max_length=LONGEST_WHY)
    forced: bool = False
    approved_by: Annotated[str, Field(max_length=LONGEST_NAME)] | None = None
    summary: str = ""
    figures: dict[str, float] = {}
    mark: str = Field(default_factory=lambda: uuid4().hex)

    @property
    def version(self) -> str:
        """The version, of those actions that concern one."""
        return self.versions[0]

    def describe(self) -> str:
        """Say in a few words what was done."""
        words = {
            "promote": f"version {self.version} became champion",
            "rollback": f"version {self.before} was rolled back to version {self.version}",
            "retire": f"version {self.version} was retired",
            "reinstate": f"version {self.version} was taken back into service",
            "collect": f"the weights of {len(self.versions)} versions were given up",
        }
        return f"{words[self.action]} ({self.who}, {self.when})"


def check_reason(why: str, *, needed: bool) -> None:
    """Check a reason that somebody gave.

    Raises:
        InputError: it is too long, or there is none where one is needed.
    """
    if needed and not why.strip():
        raise InputError("This needs a reason, for the record.", "give one with --why.")
    if len(why) > LONGEST_WHY:
        raise InputError(
            f"The reason has {len(why):,} characters; {LONGEST_WHY} are kept.", "say it in fewer with --why."
        )


def check_name(name: str | None) -> None:
    """Check a person's name, if one is given.

    Raises:
        InputError: it is empty or too long.
    """
    if name is not None and not 0 < len(name.strip()) <= LONGEST_NAME:
        raise InputError(f"{name[:LONGEST_NAME]!r} is nobody's name.", "say who approves with --approved-by.")


class OvertakenError(EnvironmentFault):
    """Somebody else wrote first: what was decided rested on a state that is no more."""


class Ledger:
    """The ledger of one registered model.

    Args:
        client: an MLflow client.
        model_name: the registered model's name.
    """

    def __init__(self, client: Any, model_name: str) -> None:
        self._client = client
        self._name = model_name
        self._run_id: str | None = None

    def read(self) -> list[Entry]:
        """Return all entries, the oldest first; [] where the model or its ledger is not there yet.

        Raises:
            EnvironmentFault: the store is not there.
            InputError: an entry is not one of ours.
        """
        run_id = self._find_run(write=False)
        if run_id is None:
            return []
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with tenacious_store():
            try:
                params = self._client.get_run(run_id).data.params
            except MlflowException as error:
                if error.error_code != _ABSENT:
                    raise
                raise InputError(
                    f"The run {run_id} is gone that holds the ledger of {self._name!r}.",
                    f"restore it from a backup; without one, delete the model's tag {LEDGER_TAG} to begin anew.",
                ) from error
        return list(self._parse(run_id, params))

    def append(self, entry: Entry, after: Sequence[Entry]) -> None:
        """Write the next entry, if ``after`` is still all that there is. This is what makes it so: nothing else does.

        Raises:
            OvertakenError: another entry came between.
            EnvironmentFault: the store is not there.
            InputError: no version is registered yet.
        """
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        run_id = self._find_run(write=True)
        if run_id is None:
            raise InputError(f"{self._name!r} has no version.", "register a judge first: 'judgeforge promote'.")
        number, text = len(after) + 1, entry.model_dump_json()
        if len(text) > _LONGEST_ENTRY:
            raise InputError(
                f"What is to be kept of this has {len(text):,} characters; MLflow keeps {_LONGEST_ENTRY:,}.",
                "give a shorter reason, or fewer primary measures (promote.primary).",
            )
        with tenacious_store():
            try:
                # Sent again after a lost answer, the same value is welcome.
                self._client.log_param(run_id, f"{_PREFIX}{number:06}", text, synchronous=True)
                return
            except MlflowException as error:
                if error.error_code != _TAKEN:
                    raise
        entries = self.read()
        if len(entries) < number:
            raise EnvironmentFault(
                f"The ledger of {self._name!r} (run {run_id}) takes no entry.", "restore that run if it was deleted."
            )
        raise OvertakenError(
            f"Nothing was done to {self._name!r}: meanwhile, {entries[number - 1].describe()}.",
            "look at 'judgeforge history', and ask again: it will be held against what is there now.",
        )

    def _parse(self, run_id: str, params: dict[str, str]) -> Iterator[Entry]:
        texts = {name: text for name, text in params.items() if name.startswith(_PREFIX)}
        for number in range(1, len(texts) + 1):
            name = f"{_PREFIX}{number:06}"
            try:
                yield Entry.model_validate_json(texts[name])
            except (KeyError, ValidationError) as error:
                raise InputError(
                    f"The ledger of {self._name!r} (run {run_id}) is broken at {name}.",
                    "was it written by a newer judgeforge? Otherwise restore the run from the store's backup.",
                ) from error

    def _find_run(self, *, write: bool) -> str | None:
        """Find the run that holds the ledger: that of the first version of ours, which is the same whoever looks."""
        if self._run_id is not None:
            return self._run_id
        from mlflow.exceptions import MlflowException  # noqa: PLC0415

        with tenacious_store():
            try:
                tags = self._client.get_registered_model(self._name).tags
            except MlflowException as error:
                if error.error_code != _ABSENT:
                    raise
                return None
            if LEDGER_TAG in tags:
                self._run_id = str(tags[LEDGER_TAG])
                return self._run_id
            versions = list_versions(self._client, self._name)
            run_id = next((str(each.run_id) for each in versions if WEIGHTS_TAG in each.tags and each.run_id), None)
            if run_id is None:
                return None
            if write:
                set_value(self._client.set_registered_model_tag, self._name, LEDGER_TAG, run_id)
                self._run_id = run_id
            return run_id
