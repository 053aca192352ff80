"""For mypy: that the parts have what the seams ask of them. Nothing here is run."""

from collections.abc import Sequence

from hpcpca.comm.exchange import Exchange
from hpcpca.engine.checkpointing import Checkpointing
from hpcpca.engine.history import History
from hpcpca.engine.live import JsonLog, Lines, Note, Table
from hpcpca.engine.problem import Data, Problem, SymmetricOperator
from hpcpca.engine.report import Monitor
from hpcpca.engine.verification import PlainOperator
from hpcpca.methods.block_krylov import BlockKrylov
from hpcpca.methods.method import Collectives, Method
from hpcpca.methods.oja import Oja
from hpcpca.methods.orthogonal_iteration import OrthogonalIteration
from hpcpca.methods.parallel_deflation import VectorExchange
from hpcpca.methods.polished import Polished
from hpcpca.methods.ritz_exchange import RitzExchange
from hpcpca.methods.sampled_ritz import SampledRitz
from hpcpca.methods.window_exchange import WindowExchange
from hpcpca.operators.gram import GramCovariance
from hpcpca.operators.in_memory import InMemoryCovariance
from hpcpca.operators.streaming import StreamingCovariance
from hpcpca.pca.problem import Pca
from hpcpca.pca.verification import PlainCovariance
from hpcpca.regression.dual import DualFitted
from hpcpca.regression.fitted import FittedCovariance
from hpcpca.regression.in_memory import InMemoryFitted
from hpcpca.regression.streaming import StreamingFitted
from hpcpca.sources.source import Source

OfRows = GramCovariance | InMemoryCovariance | StreamingCovariance
Operators = OfRows | FittedCovariance | InMemoryFitted | StreamingFitted | DualFitted
Exact = RitzExchange | BlockKrylov | OrthogonalIteration | VectorExchange | WindowExchange
Methods = Exact | SampledRitz | Oja | Polished
Monitors = Checkpointing | History | Lines | Table | Note | JsonLog


def data(source: Source) -> Data:
    return source


def operators(parts: Sequence[Operators]) -> Sequence[SymmetricOperator]:
    return parts


def methods(parts: Sequence[Methods]) -> Sequence[Method]:
    return parts


def exchange(part: Exchange) -> Collectives:
    return part


def monitors(parts: Sequence[Monitors]) -> Sequence[Monitor]:
    return parts


def problem(part: Pca) -> Problem:
    return part


def plain(part: PlainCovariance) -> PlainOperator:
    return part
