"""What an augmentation did to time and pitch, in a form that every label can follow."""

from dataclasses import dataclass

from musegen.errors import BadParams


@dataclass(frozen=True)
class Change:
    """A musical moment at `t` seconds is at `t / speed + offset_seconds` afterwards, `semitones` higher.

    Changes compose: `label.follow(a).follow(b) == label.follow(a.then(b))`.
    """

    speed: float = 1.0
    semitones: int = 0
    offset_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not self.speed > 0:
            raise BadParams(f"Change.speed: {self.speed} is not positive; 1.1 means ten per cent faster")

    def then(self, after: "Change") -> "Change":
        """This change and `after`, as one."""
        return Change(
            speed=self.speed * after.speed,
            semitones=self.semitones + after.semitones,
            offset_seconds=self.offset_seconds / after.speed + after.offset_seconds,
        )
