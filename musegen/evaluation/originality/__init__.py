"""What a piece shares with the training pieces, in any key and at any tempo, measured by what people share."""

from musegen.evaluation.originality.borrowing import Borrowing
from musegen.evaluation.originality.files import load, write
from musegen.evaluation.originality.search import Originality

__all__ = ["Borrowing", "Originality", "load", "write"]
