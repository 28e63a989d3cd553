"""Versions of a registered model, as MLflow records them."""

from typing import Any

from judgeforge.tracking import tenacious_store


def list_versions(client: Any, model_name: str) -> list[Any]:
    """Return MLflow's records of all versions of a model, the oldest first; [] where there is no such model.

    Raises:
        EnvironmentFault: the store is not there.
    """
    versions: list[Any] = []
    token = None
    with tenacious_store():
        while True:
            page = client.search_model_versions(f"name = '{model_name}'", page_token=token)
            versions += page
            token = page.token
            if not token:
                return sorted(versions, key=lambda each: int(each.version))


def list_numbers(client: Any, model_name: str) -> frozenset[str]:
    """Return the numbers of all versions."""
    return frozenset(str(each.version) for each in list_versions(client, model_name))
