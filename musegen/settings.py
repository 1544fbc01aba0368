"""The base of everything that params.yaml can set."""

import hashlib
import json

from pydantic import BaseModel, ConfigDict


class Settings(BaseModel):
    """Frozen values that refuse unknown names; equal settings have equal fingerprints."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())

    def fingerprint(self) -> str:
        """16 hex digits that change when any value does."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
