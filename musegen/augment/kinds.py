"""Which augmentations there are; params.yaml chooses them by `kind`. A new one is a file here and its lines below."""

from typing import Annotated

from pydantic import Field

from musegen.augment.channels import Channels, Rechannelled
from musegen.augment.codec import Codec, Coded
from musegen.augment.detune import Detune, Detuned
from musegen.augment.equalise import Equalise, Equalised
from musegen.augment.excerpt import Excerpt, Excerpted
from musegen.augment.gain import Gain, Gained
from musegen.augment.mix import Mix, Mixed
from musegen.augment.noise import Noise, Noised
from musegen.augment.passing import HighPass, HighPassed, LowPass, LowPassed
from musegen.augment.reverb import Reverb, Reverberated
from musegen.augment.saturate import Saturate, Saturated
from musegen.augment.stretch import Stretch, Stretched
from musegen.augment.tempo import Tempo
from musegen.augment.transpose import Transpose
from musegen.augment.varispeed import Varied, Varispeed

ScoreAugmentation = Annotated[Transpose | Tempo, Field(discriminator="kind")]
"""Of notes and beats without a recording."""

AnySound = Annotated[
    Varispeed | Stretch | Detune | Excerpt | Noise | Gain | Equalise | LowPass | HighPass | Reverb | Saturate | Codec
    | Channels | Mix,
    Field(discriminator="kind"),
]  # fmt: skip
"""Of a recording and everything that is said of it."""

AnyEffect = Annotated[
    Varied | Stretched | Detuned | Excerpted | Noised | Gained | Equalised | LowPassed | HighPassed | Reverberated
    | Saturated | Coded | Rechannelled | Mixed,
    Field(discriminator="kind"),
]  # fmt: skip
"""What any of them may have drawn."""
