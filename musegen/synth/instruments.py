"""The orchestra: a timbre for each General MIDI program."""

from dataclasses import replace

from musegen.synth.timbre import Formant, Timbre

_VIOLIN_BODY = (
    Formant(280, 4, 0.25), Formant(470, 5, 0.3), Formant(1_000, 4, 0.4), Formant(2_500, 11, 0.7),
    Formant(6_500, -14, 0.7),
)  # fmt: skip
_VIOLA_BODY = (Formant(220, 5, 0.25), Formant(380, 6, 0.3), Formant(1_050, 4, 0.5), Formant(2_000, 6, 0.7))
_CELLO_BODY = (Formant(110, 4, 0.3), Formant(220, 6, 0.4), Formant(600, 4, 0.5), Formant(1_500, 7, 0.8))
_GUITAR_BODY = (Formant(105, 5, 0.25), Formant(210, 6, 0.3), Formant(420, 4, 0.4), Formant(2_600, 3, 0.6))
_AH = (Formant(680, 15, 0.4), Formant(1_100, 14, 0.3), Formant(2_700, 13, 0.3), Formant(3_400, 9, 0.25))
_OOH = (Formant(360, 14, 0.5), Formant(800, 8, 0.4), Formant(2_500, 5, 0.3))

_PIANO = Timbre(
    "piano", tilt_decibels=-7, pluck=0.12, ceiling_hertz=9_000, softness_decibels=6, inharmonicity=3.5e-4,
    attack_seconds=0.002, decay_seconds=9, decay_tilt=0.35, aftersound=0.25, release_seconds=0.11,
    detune_cents=(-0.7, 0.8), strike_decibels=-22, strike_seconds=0.05, strike_band_hertz=(80, 1_600),
)  # fmt: skip
_ELECTRIC_PIANO = replace(
    _PIANO, name="electric piano", strengths=(1, 0.25, 0.07, 0.12, 0.03, 0.02), tilt_decibels=-14, pluck=0.0,
    inharmonicity=0.0, decay_seconds=6, aftersound=0.1, detune_cents=(-1.5, 1.5), tremolo=0.12, strike_decibels=-30,
)  # fmt: skip
_HARPSICHORD = Timbre(
    "harpsichord", partials=60, tilt_decibels=-2.5, pluck=0.11, ceiling_hertz=10_000, softness_decibels=0.5,
    inharmonicity=8e-5, attack_seconds=0.001, decay_seconds=5, decay_tilt=0.12, release_seconds=0.07,
    detune_cents=(-0.8, 1.0), strike_decibels=-24, strike_seconds=0.012, strike_band_hertz=(1_500, 8_000),
)  # fmt: skip
_GUITAR = Timbre(
    "nylon guitar", partials=36, tilt_decibels=-6, pluck=0.21, formants=_GUITAR_BODY, softness_decibels=5,
    ceiling_hertz=8_000, inharmonicity=6e-5, attack_seconds=0.002, decay_seconds=3.8, decay_tilt=0.45,
    aftersound=0.12, release_seconds=0.1, strike_decibels=-26, strike_seconds=0.02, strike_band_hertz=(200, 3_500),
)  # fmt: skip
_STEEL_GUITAR = replace(_GUITAR, name="steel guitar", tilt_decibels=-3.8, pluck=0.15, decay_seconds=6, decay_tilt=0.25)
_BANJO = Timbre(
    "banjo", partials=36, tilt_decibels=-2.5, pluck=0.13, ceiling_hertz=9_000,
    formants=(Formant(420, 5, 0.4), Formant(900, 8, 0.5), Formant(2_600, 5, 0.6)), softness_decibels=3,
    inharmonicity=7e-5, attack_seconds=0.001, decay_seconds=1.5, decay_tilt=0.3, aftersound=0.2, release_seconds=0.08,
    strike_decibels=-17, strike_seconds=0.02, strike_band_hertz=(250, 5_000),
)  # fmt: skip
_HARP = Timbre(
    "harp", partials=28, tilt_decibels=-8.5, pluck=0.38, formants=(Formant(250, 4, 0.5), Formant(700, 3, 0.5)),
    softness_decibels=5, inharmonicity=3e-5, attack_seconds=0.002, decay_seconds=4.5, decay_tilt=0.5, aftersound=0.2,
    release_seconds=0.3, strike_decibels=-30, strike_seconds=0.015,
)  # fmt: skip
_DULCIMER = Timbre(
    "dulcimer", partials=36, tilt_decibels=-4, pluck=0.14, ceiling_hertz=9_000,
    formants=(Formant(500, 3, 0.6), Formant(1_800, 4, 0.6)), softness_decibels=5, inharmonicity=1.5e-4,
    attack_seconds=0.0015, decay_seconds=4, decay_tilt=0.35, aftersound=0.25, release_seconds=0.25,
    detune_cents=(-2.2, 0.3, 2.0), strike_decibels=-20, strike_seconds=0.015, strike_band_hertz=(800, 6_000),
)  # fmt: skip
_PIZZICATO = replace(
    _GUITAR, name="pizzicato", formants=_VIOLIN_BODY, pluck=0.3, tilt_decibels=-8, decay_seconds=0.9, aftersound=0.0,
    strike_decibels=-20,
)  # fmt: skip
_BASS = Timbre(
    "bass", partials=30, tilt_decibels=-7, pluck=0.23, ceiling_hertz=4_000,
    formants=(Formant(90, 3, 0.5), Formant(800, 4, 0.6)), attack_seconds=0.004, decay_seconds=3, decay_tilt=0.5,
    aftersound=0.2, release_seconds=0.07, strike_decibels=-24, strike_seconds=0.02, strike_band_hertz=(150, 2_000),
)  # fmt: skip
_MARIMBA = Timbre(
    "marimba", ratios=(1, 3.93, 9.6), strengths=(1, 0.16, 0.05), softness_decibels=3, attack_seconds=0.0015,
    decay_seconds=1.3, decay_tilt=1.2, release_seconds=0.25, strike_decibels=-20, strike_seconds=0.015,
    strike_band_hertz=(200, 2_500),
)  # fmt: skip
_VIBRAPHONE = replace(_MARIMBA, name="vibraphone", decay_seconds=7, decay_tilt=0.8, tremolo=0.25, strike_decibels=-30)
_XYLOPHONE = replace(
    _MARIMBA, name="xylophone", ratios=(1, 3, 6.1, 10), strengths=(1, 0.4, 0.2, 0.1), decay_seconds=0.7,
)  # fmt: skip
_GLOCKENSPIEL = replace(
    _MARIMBA, name="glockenspiel", ratios=(1, 2.76, 5.4, 8.93), strengths=(1, 0.35, 0.2, 0.08), decay_seconds=5,
    decay_tilt=0.5, strike_decibels=-26, strike_band_hertz=(3_000, 9_000),
)  # fmt: skip
_BELLS = replace(
    _MARIMBA, name="bells", ratios=(1, 1.5, 2.0, 2.66, 3.4, 4.2), strengths=(1, 0.25, 0.5, 0.3, 0.2, 0.12),
    decay_seconds=7, decay_tilt=0.25, release_seconds=0.5, detune_cents=(-0.6, 0.6),
)  # fmt: skip
_KALIMBA = replace(_MARIMBA, name="kalimba", ratios=(1, 5.4, 9.0), strengths=(1, 0.12, 0.05), decay_seconds=2)
_STEEL_DRUM = replace(
    _MARIMBA, name="steel drum", ratios=(1, 2, 3.01, 4.02), strengths=(1, 0.6, 0.25, 0.12), decay_seconds=2,
)  # fmt: skip
_TIMPANI = replace(
    _MARIMBA, name="timpani", ratios=(1, 1.5, 1.98, 2.44), strengths=(1, 0.6, 0.4, 0.25), decay_seconds=2,
)  # fmt: skip

_FIDDLE = Timbre(
    "fiddle", tilt_decibels=-4.8,
    formants=_VIOLIN_BODY, softness_decibels=3.5, attack_seconds=0.014, attack_spread=0.25,
    settle=0.7, release_seconds=0.06, vibrato_hertz=5.6, vibrato_cents=11, vibrato_delay_seconds=0.22, tremolo=0.05,
    noise_decibels=-33, noise_band_hertz=(1_800, 7_500), strike_decibels=-24, strike_seconds=0.05,
    strike_band_hertz=(900, 6_000),
)  # fmt: skip
_VIOLA = replace(_FIDDLE, name="viola", formants=_VIOLA_BODY, tilt_decibels=-6.5, attack_seconds=0.018)
_CELLO = replace(_FIDDLE, name="cello", formants=_CELLO_BODY, partials=50, attack_seconds=0.02, vibrato_hertz=5.1)
_CONTRABASS = replace(_CELLO, name="contrabass", tilt_decibels=-7, vibrato_cents=6, attack_seconds=0.026)
_STRINGS = Timbre(
    "strings", partials=28, tilt_decibels=-6,
    formants=(Formant(400, 3, 0.8), Formant(2_300, 8, 0.8), Formant(6_000, -12, 0.8)),
    attack_seconds=0.03, attack_spread=0.3, settle=0.92, release_seconds=0.14, detune_cents=(1.0, -9.0, -3.5, 7.5),
    vibrato_hertz=5.3, vibrato_cents=5, vibrato_delay_seconds=0.15, noise_decibels=-36, tremolo=0.03,
)  # fmt: skip

_FLUTE = Timbre(
    "flute", strengths=(1, 0.55, 0.28, 0.12, 0.07, 0.04, 0.02), tilt_decibels=-16, softness_decibels=7,
    attack_seconds=0.018, settle=0.8, release_seconds=0.05, vibrato_hertz=5.0, vibrato_cents=7, tremolo=0.1,
    vibrato_delay_seconds=0.25, noise_decibels=-32, noise_band_hertz=(1_200, 6_500), strike_decibels=-22,
    strike_seconds=0.05, strike_band_hertz=(1_500, 7_000),
)  # fmt: skip
_WHISTLE = replace(
    _FLUTE, name="whistle", strengths=(1, 0.3, 0.16, 0.06, 0.03), attack_seconds=0.009, vibrato_cents=5, tremolo=0.06,
    noise_decibels=-31, noise_band_hertz=(2_500, 9_000), softness_decibels=4, strike_decibels=-20, strike_seconds=0.03,
)  # fmt: skip
_RECORDER = replace(
    _WHISTLE, name="recorder", strengths=(1, 0.08, 0.3, 0.03, 0.1, 0.02, 0.03), softness_decibels=2, vibrato_cents=4,
)  # fmt: skip
_PAN_FLUTE = replace(
    _FLUTE, name="pan flute", strengths=(1, 0.06, 0.16, 0.02, 0.03), noise_decibels=-20, strike_decibels=-12,
    noise_band_hertz=(800, 5_000), strike_seconds=0.07,
)  # fmt: skip
_CLARINET = Timbre(
    "clarinet", partials=30, tilt_decibels=-5.5, even=0.1, formants=(Formant(1_500, 4, 0.6), Formant(5_000, -8, 0.8)),
    softness_decibels=6, attack_seconds=0.016, attack_spread=0.4, settle=0.93, release_seconds=0.06, tremolo=0.02,
    vibrato_cents=2, noise_decibels=-40,
)  # fmt: skip
_OBOE = Timbre(
    "oboe", partials=30, tilt_decibels=-5, strengths=(0.6, 0.9),
    formants=(Formant(1_150, 11, 0.5), Formant(2_950, 7, 0.35)),
    softness_decibels=2.5, attack_seconds=0.012, settle=0.95, release_seconds=0.05, vibrato_cents=8, tremolo=0.05,
    noise_decibels=-40,
)  # fmt: skip
_ENGLISH_HORN = replace(_OBOE, name="english horn", formants=(Formant(900, 10, 0.5), Formant(2_300, 5, 0.4)))
_BASSOON = replace(
    _OBOE, name="bassoon", partials=40, formants=(Formant(480, 12, 0.5), Formant(1_150, 6, 0.4)), tilt_decibels=-6.5,
    attack_seconds=0.016,
)  # fmt: skip
_SAX = Timbre(
    "saxophone", tilt_decibels=-5.5, formants=(Formant(650, 6, 0.6), Formant(1_600, 5, 0.5)), softness_decibels=6,
    attack_seconds=0.018, settle=0.88, release_seconds=0.07, vibrato_cents=12, vibrato_hertz=5.1, tremolo=0.08,
    noise_decibels=-34, strike_decibels=-28,
)  # fmt: skip
_BAGPIPE = Timbre(
    "bagpipe", partials=34, tilt_decibels=-2.5, strengths=(0.5, 0.8),
    formants=(Formant(1_100, 7, 0.5), Formant(2_800, 5, 0.5)),
    ceiling_hertz=9_000, softness_decibels=0.5, attack_seconds=0.006, settle=1.0, release_seconds=0.025,
    detune_cents=(0.0, 1.8), noise_decibels=-38,
)  # fmt: skip

_ACCORDION = Timbre(
    "accordion", partials=34, tilt_decibels=-4.5, formants=(Formant(700, 4, 0.6), Formant(2_200, 5, 0.6)),
    ceiling_hertz=8_500, softness_decibels=2, attack_seconds=0.016, settle=0.95, release_seconds=0.05,
    detune_cents=(0.0, -6.5, 7.0), noise_decibels=-44, strike_decibels=-30, strike_seconds=0.012,
)  # fmt: skip
_CONCERTINA = replace(
    _ACCORDION, name="concertina", detune_cents=(0.0, 1.3), tilt_decibels=-4,
    formants=(Formant(1_000, 6, 0.6), Formant(2_600, 4, 0.5)), attack_seconds=0.01,
)  # fmt: skip
_HARMONICA = replace(_CONCERTINA, name="harmonica", vibrato_cents=6, tremolo=0.18, noise_decibels=-34)
_REED_ORGAN = replace(_ACCORDION, name="reed organ", detune_cents=(0.0, 4.0), tilt_decibels=-5.5, attack_seconds=0.025)
_CHURCH_ORGAN = Timbre(
    "church organ", partials=24, strengths=(1, 0.75, 0.35, 0.5, 0.1, 0.3, 0.06, 0.28, 0.04, 0.06, 0.03, 0.14),
    tilt_decibels=-10, softness_decibels=0.5, attack_seconds=0.025, attack_spread=-0.15, settle=1.0,
    release_seconds=0.16, detune_cents=(0.0, 2.2), noise_decibels=-42, strike_decibels=-26, strike_seconds=0.05,
    strike_band_hertz=(1_000, 6_000),
)  # fmt: skip
_DRAWBAR_ORGAN = replace(
    _CHURCH_ORGAN, name="drawbar organ", strengths=(1, 0.7, 0.6, 0.35, 0.05, 0.3, 0.0, 0.25), partials=8,
    attack_seconds=0.004, release_seconds=0.03, vibrato_hertz=6.4, vibrato_cents=6, vibrato_delay_seconds=0.0,
    tremolo=0.08, strike_decibels=-24, strike_seconds=0.008,
)  # fmt: skip

_TRUMPET = Timbre(
    "trumpet", partials=30, tilt_decibels=-4, formants=(Formant(1_300, 8, 0.9), Formant(3_000, 3, 0.6)),
    softness_decibels=8, attack_seconds=0.012, attack_spread=0.5, settle=0.85, release_seconds=0.06, vibrato_cents=6,
    vibrato_delay_seconds=0.4, noise_decibels=-42, strike_decibels=-30,
)  # fmt: skip
_MUTED_TRUMPET = replace(_TRUMPET, name="muted trumpet", strengths=(0.3, 0.5), formants=(Formant(1_800, 13, 0.7),))
_TROMBONE = replace(
    _TRUMPET, name="trombone", formants=(Formant(600, 8, 0.9), Formant(1_700, 3, 0.6)), tilt_decibels=-5,
)  # fmt: skip
_HORN = replace(
    _TRUMPET, name="horn", formants=(Formant(420, 7, 0.8), Formant(900, 3, 0.6)), tilt_decibels=-8,
    attack_seconds=0.02, release_seconds=0.1, vibrato_cents=2,
)  # fmt: skip
_TUBA = replace(_HORN, name="tuba", formants=(Formant(250, 7, 0.8),), tilt_decibels=-8, attack_seconds=0.022)
_BRASS = replace(_TRUMPET, name="brass section", formants=(Formant(900, 7, 1.0),), detune_cents=(0.5, -5.0, 5.5))

_CHOIR = Timbre(
    "choir", partials=36, tilt_decibels=-7.5, formants=_AH, ceiling_hertz=7_000, softness_decibels=4,
    attack_seconds=0.035, attack_spread=0.1, settle=0.95, release_seconds=0.16,
    detune_cents=(0.5, -11.0, -5.0, 5.5, 10.0), vibrato_hertz=5.4, vibrato_cents=9, vibrato_delay_seconds=0.15,
    tremolo=0.04, noise_decibels=-36, noise_band_hertz=(1_500, 6_000),
)  # fmt: skip
_OOHS = replace(_CHOIR, name="oohs", formants=_OOH, tilt_decibels=-9)
_SAW = Timbre(
    "saw lead", tilt_decibels=-6, ceiling_hertz=9_000, softness_decibels=5, attack_seconds=0.004, settle=0.85,
    release_seconds=0.06, detune_cents=(-5.0, 5.0), vibrato_cents=6,
)  # fmt: skip
_SQUARE = replace(_SAW, name="square lead", even=0.02, detune_cents=(-2.0, 2.0))
_PAD = replace(
    _STRINGS, name="pad", tilt_decibels=-9, formants=(Formant(700, 5, 1.0),), attack_seconds=0.06, release_seconds=0.35,
)  # fmt: skip
_SYNTH_BASS = replace(_BASS, name="synth bass", pluck=0.0, tilt_decibels=-6, decay_seconds=4, strike_decibels=-60)
_SITAR = replace(_BANJO, name="sitar", tilt_decibels=-2, decay_seconds=4, detune_cents=(-1.0, 1.5), inharmonicity=2e-4)
_KOTO = replace(_HARP, name="koto", tilt_decibels=-5, pluck=0.12, decay_seconds=2.5, strike_decibels=-22)
_SHAMISEN = replace(_BANJO, name="shamisen", decay_seconds=0.9, tilt_decibels=-3.5)
_FALLBACK = replace(_VIBRAPHONE, name="bell tone", tremolo=0.0, decay_seconds=3)

_BY_PROGRAM: tuple[Timbre, ...] = (
    _PIANO, _PIANO, _PIANO, replace(_PIANO, name="honky-tonk", detune_cents=(-6.0, 6.0)),
    _ELECTRIC_PIANO, _ELECTRIC_PIANO, _HARPSICHORD, replace(_HARPSICHORD, name="clavinet", pluck=0.3, decay_seconds=3),
    _GLOCKENSPIEL, _GLOCKENSPIEL, _KALIMBA, _VIBRAPHONE, _MARIMBA, _XYLOPHONE, _BELLS, _DULCIMER,
    _DRAWBAR_ORGAN, _DRAWBAR_ORGAN, _DRAWBAR_ORGAN, _CHURCH_ORGAN, _REED_ORGAN, _ACCORDION, _HARMONICA, _CONCERTINA,
    _GUITAR, _STEEL_GUITAR, _STEEL_GUITAR, _STEEL_GUITAR, replace(_GUITAR, name="muted guitar", decay_seconds=0.6),
    _SAW, _SAW, replace(_HARP, name="guitar harmonics", decay_seconds=3),
    _BASS, _BASS, replace(_BASS, name="pick bass", tilt_decibels=-5), _BASS, _BASS, _BASS, _SYNTH_BASS, _SYNTH_BASS,
    _FIDDLE, _VIOLA, _CELLO, _CONTRABASS, _STRINGS, _PIZZICATO, _HARP, _TIMPANI,
    _STRINGS, _STRINGS, _PAD, _PAD, _CHOIR, _OOHS, _OOHS, _BRASS,
    _TRUMPET, _TROMBONE, _TUBA, _MUTED_TRUMPET, _HORN, _BRASS, _BRASS, _BRASS,
    _SAX, _SAX, _SAX, _SAX, _OBOE, _ENGLISH_HORN, _BASSOON, _CLARINET,
    _WHISTLE, _FLUTE, _RECORDER, _PAN_FLUTE, _PAN_FLUTE, _PAN_FLUTE, _WHISTLE, _RECORDER,
    _SQUARE, _SAW, _RECORDER, _PAN_FLUTE, _SAW, _OOHS, _SAW, _SAW,
    _PAD, _PAD, _PAD, _OOHS, _STRINGS, _PAD, _PAD, _PAD,
    _FALLBACK, _PAD, _FALLBACK, _PAD, _PAD, _PAD, _PAD, _PAD,
    _SITAR, _BANJO, _SHAMISEN, _KOTO, _KALIMBA, _BAGPIPE, _FIDDLE, _OBOE,
    _GLOCKENSPIEL, _BELLS, _STEEL_DRUM, _XYLOPHONE, _TIMPANI, _TIMPANI, _TIMPANI, _FALLBACK,
    _FALLBACK, _FALLBACK, _FALLBACK, _FALLBACK, _FALLBACK, _FALLBACK, _FALLBACK, _FALLBACK,
)  # fmt: skip


def timbre_of(program: int) -> Timbre:
    """The timbre that plays General MIDI `program` (0..127)."""
    return _BY_PROGRAM[program]
