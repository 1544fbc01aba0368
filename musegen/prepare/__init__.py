"""From the catalogue to datasets: what a shard ought to hold, and how its rows are made; pure, seeded by content."""

from musegen.prepare.composing import ComposingRecipe, ComposingSettings
from musegen.prepare.labels import labels_of, track_of
from musegen.prepare.listening import ListeningRecipe, ListeningSettings
from musegen.prepare.plan import PlannedTrack, ShardPlan, plan, stale
from musegen.prepare.recipe import Recipe

__all__ = [
    "ComposingRecipe", "ComposingSettings", "ListeningRecipe", "ListeningSettings", "PlannedTrack", "Recipe",
    "ShardPlan", "labels_of", "plan", "stale", "track_of",
]  # fmt: skip
