"""params.yaml → a frozen, typed tree; a key that nobody knows is refused by its path before any work."""

import hashlib
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, Self, get_args

from pydantic import Field, ValidationError, model_validator
from ruamel.yaml import YAML, YAMLError

from musegen import corpora, tuned
from musegen.augment import AnySound, ScoreAugmentation
from musegen.errors import BadParams
from musegen.evaluation.counts import CountSettings
from musegen.evaluation.gate import GateSettings
from musegen.evaluation.report import FOR_GATE
from musegen.generate import SamplingSettings
from musegen.models import ModelSettings, TransformerSettings
from musegen.prepare import ComposingSettings, ListeningSettings
from musegen.settings import Settings
from musegen.space import TuningSettings, with_values
from musegen.survey import SurveySettings
from musegen.training import TrainingSettings
from musegen.workspace import Workspace


class SampleSettings(Settings):
    """Pieces that are made while training goes on: every `every_epochs` (0: none), `bars` long, one a style."""

    every_epochs: float = Field(1, ge=0)
    bars: int = Field(8, ge=1, le=64)


class GeneratorSettings(Settings):
    """The `generator` section: what is trained, how, and on which workers.

    One worker an accelerator, else `cpu_workers`; with `least_workers` above 0 training goes on with fewer, down to
    that many, where machines are lost. `sharding`: every worker holds the whole model (`none`, DDP) or a part of it
    (`full`, FSDP2). `failures` times lost workers are replaced; one that says nothing for `frozen_seconds` is lost.
    """

    model: ModelSettings = Field(default_factory=TransformerSettings, discriminator="kind")
    training: TrainingSettings = Field(default_factory=TrainingSettings)
    cpu_workers: int = Field(2, ge=1, le=64)
    least_workers: int = Field(0, ge=0)
    sharding: Literal["none", "full"] = "none"
    failures: int = Field(8, ge=0)
    frozen_seconds: float = Field(30, ge=5)
    samples: SampleSettings = Field(default_factory=SampleSettings)

    def learnt_fingerprint(self) -> str:
        """16 hex digits that change with what is learnt: model and training, not the workers and what they may do."""
        return hashlib.sha256(f"{self.model.fingerprint()} {self.training.fingerprint()}".encode()).hexdigest()[:16]

    def with_values(self, values: Mapping[str, Any]) -> Self:
        """The section with other values at dotted paths; raises `BadParams` that names every wrong path."""
        section = self.model_dump(mode="json")
        try:
            return self.model_validate(with_values(section, values))
        except ValidationError as error:
            content = with_values(section, values)
            words = "; ".join(_explain(problem, content).strip() for problem in error.errors())
            raise BadParams(words) from error


class ReportSettings(Settings):
    """The `report` section: what a model is judged by.

    `pieces_per_style` pieces of `bars` bars are generated for the judges, and kept with the version.
    """

    pieces_per_style: int = Field(4, ge=1, le=64)
    bars: int = Field(16, ge=1, le=256)
    seed: int = 0
    sampling: SamplingSettings = Field(default_factory=SamplingSettings)
    counts: CountSettings = Field(default_factory=CountSettings)
    gate: GateSettings = Field(default_factory=GateSettings)

    @model_validator(mode="after")
    def _floors_are_measured(self) -> Self:
        unknown = sorted(name for name in self.gate.floors if name.split(".")[0] not in FOR_GATE)
        if unknown:
            raise ValueError(f"gate.floors: nothing measures {', '.join(unknown)}; choose from {', '.join(FOR_GATE)}")
        return self


class Params(Settings):
    """The whole file; its sections carry the names of the DVC stages, but for `tuning`, which steps in on a refusal."""

    survey: SurveySettings = Field(default_factory=SurveySettings)
    listening: ListeningSettings = Field(default_factory=ListeningSettings)
    composing: ComposingSettings = Field(default_factory=ComposingSettings)
    generator: GeneratorSettings = Field(default_factory=GeneratorSettings)
    report: ReportSettings = Field(default_factory=ReportSettings)
    tuning: TuningSettings = Field(default_factory=TuningSettings)

    @model_validator(mode="after")
    def _space_can_be_searched(self) -> Self:
        for path, range_ in self.tuning.space.items():
            if path.split(".")[0] not in ("model", "training"):
                raise ValueError(f"tuning.space: {path} changes nothing that is learnt; name one of model or training")
            for value in range_.samples:
                try:
                    self.generator.with_values({path: value})
                except BadParams as error:
                    raise ValueError(f"tuning.space: generator.{error}".removesuffix("; correct it")) from error
        return self


PRESETS: dict[str, dict[str, Any]] = {
    "demo": {},
    "small": {
        "listening.variants": 2,
        "listening.features.bins": 229,
        "generator.model.layers": 6,
        "generator.model.width": 256,
        "generator.model.heads": 4,
        "generator.model.dropout": 0.1,
        "generator.model.window": 512,
        "generator.training.steps": 3000,
        "generator.training.global_batch": 16,
        "generator.training.learning_rate": 0.006,
        "generator.training.muon_learning_rate": 0.04,
        "generator.training.eval_every": 250,
        "generator.training.checkpoint_every": 250,
    },
    "base": {
        "listening.shards": 8,
        "listening.variants": 4,
        "listening.features.bins": 229,
        "composing.shards": 32,
        "composing.tokens.velocity_bins": 8,
        "generator.model.layers": 8,
        "generator.model.width": 512,
        "generator.model.heads": 8,
        "generator.model.dropout": 0.1,
        "generator.model.window": 1024,
        "generator.training.steps": 20000,
        "generator.training.global_batch": 64,
        "generator.training.learning_rate": 0.003,
        "generator.training.muon_learning_rate": 0.02,
        "generator.training.eval_every": 1000,
        "generator.training.checkpoint_every": 1000,
    },
    "large": {
        "listening.shards": 32,
        "listening.variants": 8,
        "listening.features.bins": 229,
        "composing.shards": 128,
        "composing.tokens.velocity_bins": 16,
        "generator.model.layers": 16,
        "generator.model.width": 1024,
        "generator.model.heads": 16,
        "generator.model.dropout": 0.1,
        "generator.model.window": 2048,
        "generator.training.steps": 100000,
        "generator.training.global_batch": 128,
        "generator.training.learning_rate": 0.0015,
        "generator.training.muon_learning_rate": 0.02,
        "generator.training.eval_every": 2000,
        "generator.training.checkpoint_every": 2000,
    },
}
"""What each preset changes in the template, by dotted path."""


def load(path: Path, as_written: bool = False) -> Params:
    """Read and check `path`, and put in what tuning found better (`tuned.yaml` beside it), unless `as_written`.

    Raises `BadParams` that names every wrong key.
    """
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadParams(f"{path}: it can't be read ({error.strerror}); run `musegen init`") from error
    except (YAMLError, UnicodeDecodeError) as error:
        raise BadParams(f"{path}: it is not YAML ({error}); correct it") from error
    if not isinstance(content, dict):
        raise BadParams(f"{path}: it has no sections; delete it and run `musegen init` for a fresh one")
    try:
        params = Params.model_validate(content)
    except ValidationError as error:
        raise BadParams(f"{path}:\n" + "\n".join(_explain(problem, content) for problem in error.errors())) from error
    return params if as_written else _tuned(params, path.parent)


def _tuned(params: Params, folder: Path) -> Params:
    found = tuned.read(folder)
    if not found.values or found.made_for != params.generator.learnt_fingerprint():
        return params
    try:
        generator = params.generator.with_values(found.values)
    except BadParams as error:
        raise BadParams(f"{folder / tuned.TUNED}: values: {error}; delete the file, or run `musegen tune`") from error
    return params.model_copy(update={"generator": generator})


def write_template(folder: Path, preset: str, corpus: str | None = None, layout: str | None = None) -> None:
    """Put `params.yaml` of a preset, `dvc.yaml` and an empty `tuned.yaml` into `folder`, comments kept.

    Raises `BadParams` for a preset or layout that does not exist, and where params.yaml is there already.
    """
    if (folder / "params.yaml").exists():
        raise BadParams(f"{folder / 'params.yaml'}: it is there already; edit it, or delete it for a fresh one")
    if preset not in PRESETS:
        raise BadParams(f"preset {preset!r}: there is none of that name; choose one of {', '.join(PRESETS)}")
    yaml = YAML()
    yaml.preserve_quotes = True
    tree = yaml.load(_template("params.yaml"))
    changes = {**PRESETS[preset], "survey.corpus": corpus, "survey.layout": layout}
    for path, value in changes.items():
        if value is not None:
            *sections, name = path.split(".")
            node = tree
            for section in sections:
                node = node[section]
            node[name] = value
    if layout is not None:
        corpora.loader(layout)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "params.yaml").open("w", encoding="utf-8") as file:
        yaml.dump(tree, file)
    if not (folder / "dvc.yaml").exists():
        (folder / "dvc.yaml").write_text(_template("dvc.yaml"), encoding="utf-8")
    if not (folder / ".dvcignore").exists():
        # Versions that are registered there hold a dvc.yaml each, which DVC would take for one of the project.
        (folder / ".dvcignore").write_text(_IGNORED_BY_DVC, encoding="utf-8")
    tuned.start(Workspace(folder))


_IGNORED_BY_DVC = "# DVC looks at what the stages name, nothing else.\n.venv\n.musegen\n"
_KINDS = frozenset(
    name
    for union in (ModelSettings, AnySound, ScoreAugmentation)
    for kind in get_args(get_args(union)[0])
    for name in get_args(kind.model_fields["kind"].annotation)
)


def _template(name: str) -> str:
    """A file of the checkout's root, which an installed package carries in `template/`."""
    packaged = files("musegen") / "template" / name
    if packaged.is_file():
        return packaged.read_text(encoding="utf-8")
    return (Path(__file__).parent.parent / name).read_text(encoding="utf-8")


def _explain(problem: Any, content: Any) -> str:
    """One line: the path as it stands in the file, without the kinds that pydantic puts in between."""
    parts, node = [], content
    for index, part in enumerate(problem["loc"]):
        inside = part in node if isinstance(node, dict) else isinstance(part, int)
        if inside or (index == len(problem["loc"]) - 1 and part not in _KINDS):
            parts.append(str(part))
            node = node[part] if inside and node else None
    place = ".".join(parts)
    if problem["type"] == "extra_forbidden":
        return f"  {place}: there is no such parameter; correct its name or remove it"
    return f"  {place}: {problem['msg'].removeprefix('Value error, ')}, not {problem['input']!r}; correct it"
