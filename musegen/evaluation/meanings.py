"""What the words of a report mean, for somebody who does not measure music every day."""

DEFINITIONS = {
    "interval": "in brackets, 95%: the test pieces are drawn again 2,000 times, with replacement, and the figure taken "
    "anew; 95 of 100 draws fall into it (Efron's percentile bootstrap). Models are compared on the same draws.",
    "NLL": "mean negative log-likelihood of music the model has not seen, in nats: one less, and each note was held "
    "2.7 times as probable. Models compare per note, beat and bar where their tokens say the same things; per token "
    "only with the same tokenizer. Where one of two models foretells loudness and the other does not, what that costs "
    "is left out of their comparison.",
    "count model": "how often each token followed the few before it in the training pieces, or in transposed copies of "
    "them (whichever foretells `valid` better): what counting achieves.",
    "copy-last": "says again what stood at this place one to sixteen bars before in the same piece, and else what "
    "usually follows: what repeating achieves.",
    "next token right": "share of test tokens that the model held the most probable. By family, precision: of the "
    "times it said so, how often rightly; recall: of the times it was so, how often said; F1: their harmonic mean.",
    "independent judge": "trees on interval, rhythm and form statistics of the human training pieces; it knows nothing "
    "of the model. Its word on generated pieces is worth what it scores on human test pieces. “Without meter” hides "
    "the time signature and the places in the bar, which generation keeps by construction.",
    "as asked": "share of generated pieces with the very tempo, meter or bars asked for; a key is kept where at least "
    "nine in ten notes are in its scale.",
    "distance": "Wasserstein distance of generated from human pieces over the mean difference of two human pieces: 0 "
    "is the same. Up to “chance”, as many human pieces might lie as far off.",
    "not worse than champion": "mean difference over the same test pieces; the unfavourable end of its bootstrap "
    "interval must not exceed what is allowed.",
    "copied share": "share of generated pieces that are copies: a passage of them stands in a training piece, in any "
    "key and at any tempo. People borrow too: what generated pieces have from training pieces is held beside what "
    "human test pieces of the same styles have. “Borrowed beyond people” is the least by which that is surely more.",
}
