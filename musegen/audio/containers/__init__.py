"""What containers of sound promise: rate, channels and frames, read off their bytes without decoding."""

from musegen.audio.containers.promise import Promise
from musegen.audio.containers.signature import ends_in_a_frame, promised

__all__ = ["Promise", "ends_in_a_frame", "promised"]
