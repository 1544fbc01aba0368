"""The log of promotions as MLflow keeps it: entries, notes, and the model's aliases. All of it may be done twice."""

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar
from uuid import uuid4

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from musegen.registry.connection import not_found

_NOTE = "moving."
_PAGE = 1000
_LONGEST = 4000
_PATIENCE_SECONDS, _LONGEST_PAUSE_SECONDS = 30.0, 1.0
_HOPELESS = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "PERMISSION_DENIED", "UNAUTHENTICATED")
AWAY = (MlflowException, OSError)
"""What a call to MLflow may raise that was carried out."""

Result = TypeVar("Result")


class Entries:
    """The log of the model `name`, kept as the registered model `name-history`. Make a new one for every visit."""

    def __init__(self, client: MlflowClient, name: str) -> None:
        self._client, self._name, self._log = client, name, f"{name}-history"
        self._known: list[tuple[int, Mapping[str, str]]] = []

    @property
    def length(self) -> int:
        """How many entries were there when the log was read last."""
        return len(self._known)

    def read(self) -> Sequence[tuple[int, Mapping[str, str]]]:
        """Number and words of every entry, oldest first; those that were read before are not read again."""
        last = self._known[-1][0] if self._known else 0
        new = versions_of(self._client, f"name='{self._log}' and version_number > {last}")
        self._known += [(int(found.version), dict(found.tags)) for found in new]
        return self._known

    def append(self, words: Mapping[str, str], description: str) -> None:
        """Add an entry. Where a reply is lost it may be there twice, with the same words."""
        tags = {name: value[:_LONGEST] for name, value in words.items()}

        def add() -> None:
            self._client.create_model_version(
                self._log, f"musegen:/{self._name}", tags=tags, description=description[:_LONGEST], await_creation_for=0
            )

        try:
            patiently(add)
        except MlflowException as error:
            if not not_found(error):
                raise
            make_model(self._client, self._log)
            patiently(add)

    def notes(self) -> dict[str, tuple[int, float]]:
        """The notes that lie at the model, by name: how long the log was, and the time in seconds since 1970."""
        return self.aliases_and_notes()[1]

    def leave_note(self, length: int) -> str:
        """Note that something is about to change, and how long the log is; returns the name of the note."""
        note = f"{_NOTE}{uuid4().hex}"
        patiently(lambda: self._client.set_registered_model_tag(self._name, note, f"{length} {time.time():.0f}"))
        return note

    def take_note(self, note: str) -> None:
        """Take a note away."""
        patiently(lambda: self._client.delete_registered_model_tag(self._name, note))

    def aliases(self) -> dict[str, int]:
        """Alias → number, as the model has them now."""
        return self.aliases_and_notes()[0]

    def aliases_and_notes(self) -> tuple[dict[str, int], dict[str, tuple[int, float]]]:
        """Both at the price of one: not necessarily as they were at the same moment."""
        model = model_of(self._client, self._name)
        if model is None:
            return {}, {}
        words = {name: value.split() for name, value in model.tags.items() if name.startswith(_NOTE)}
        notes = {name: (int(length), float(written)) for name, (length, written) in words.items()}
        return {alias: int(number) for alias, number in model.aliases.items()}, notes

    def has(self, number: int) -> bool:
        """Whether nobody has deleted that version of the model."""
        try:
            self._client.get_model_version(self._name, str(number))
        except MlflowException as error:
            if not_found(error):
                return False
            raise
        return True

    def set_alias(self, alias: str, number: int | None) -> None:
        """Point `alias` at a version, or at none; nothing is done where somebody has deleted the version."""
        if number is None:
            patiently(lambda: self._client.delete_registered_model_alias(self._name, alias))
            return
        try:
            patiently(lambda: self._client.set_registered_model_alias(self._name, alias, str(number)))
        except MlflowException as error:
            if not not_found(error):
                raise


def patiently(call: Callable[[], Result]) -> Result:
    """What `call` returns, which may be done twice; it is tried again while MLflow's database is busy.

    MLflow itself tries three times to number a version, and not at all where SQLite is locked.
    """
    until, pause = time.monotonic() + _PATIENCE_SECONDS, 0.02
    while True:
        try:
            return call()
        except AWAY as error:
            if getattr(error, "error_code", "") in _HOPELESS or time.monotonic() > until:
                raise
        time.sleep(random.uniform(0, pause))
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)


def model_of(client: MlflowClient, name: str) -> Any | None:
    """The registered model, None where there is none of that name."""
    try:
        return client.get_registered_model(name)
    except MlflowException as error:
        if not_found(error):
            return None
        raise


def make_model(client: MlflowClient, name: str) -> None:
    """See that there is such a registered model, though another makes it too, or the reply is lost."""
    if model_of(client, name) is None:
        try:
            client.create_registered_model(name)
        except AWAY:
            if model_of(client, name) is None:
                raise


def versions_of(client: MlflowClient, words: str) -> list[Any]:
    """All versions that MLflow finds by `words`, oldest first; what is added meanwhile comes last, or is not there."""
    found, page = [], None
    while page != "":
        some = client.search_model_versions(words, _PAGE, order_by=["version_number ASC"], page_token=page)
        found += some
        page = some.token or ""
    return found
