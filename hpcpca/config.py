"""Everything a fit is asked for, as it is stored in results and checkpoints."""

from dataclasses import asdict, dataclass, field, replace

from . import latency
from .errors import UsageError
from .units import parse_duration

EXCHANGES = {"parallel-deflation": ("ritz", "vectors", "window"), "sequential-deflation": ("vectors",), "eigengame-alpha": ("vectors", "window"),
             "eigengame-mu": ("vectors", "window"), "orthogonal-iteration": ("ritz",), "block-krylov": ("ritz",)}  # of each method, the default first
OF_VECTORS, OF_WINDOW, OF_RITZ = ("vectors", "window"), ("window",), ("ritz",)
BELONGS = {"top1": OF_VECTORS, "deflation": OF_VECTORS, "step_size": OF_VECTORS, "stagger": ("vectors",), "advance": ("vectors",), "basis": OF_RITZ,
           "warm_start": OF_RITZ, "max_staleness": OF_WINDOW, "inject_latency": OF_VECTORS}  # exchanges that options go with
SMALLEST_SINGLE_TOL = 2e-7  # float32 sums floor residuals at about 1e-7
TOL, BATCH_TOL = 1e-6, 1e-2  # asked for unless --tol says otherwise: of passes over all rows, of mini-batches


SHORT = {"components": "-k", "output": "-o", "quiet": "-q", "columns": "-d"}  # options that have a short form


def option(name, value=None):
    """How a user gives an option of ``fit``; in its short form, if it has one."""
    named = SHORT.get(name, f"--{name.replace('_', '-')}")
    return {("stagger", False): "--no-stagger", ("warm_start", False): "--cold"}.get((name, value), named)


@dataclass(frozen=True)
class FitConfig:
    """Options of ``fit``; None means the default that the method, the data or the machine gives."""

    data: tuple = ()
    components: int = 1
    output: str = ""
    method: str = "parallel-deflation"
    exchange: str | None = None
    top1: str | None = None
    deflation: str | None = None
    local_steps: int | None = None
    step_size: str | None = None
    step_schedule: str | None = None
    stagger: bool | None = None
    advance: bool | None = None
    max_staleness: int | None = None
    inject_latency: tuple | None = None
    guards: int | None = None
    basis: str | None = None
    warm_start: bool | None = None
    init: str | None = None
    batch_rows: int | None = None
    polish: bool | None = None
    tol: float | None = None
    max_rounds: int = 1000
    seed: int = 0
    operator: str = "auto"
    precision: str = "auto"
    grid: str | None = None
    threads: int | None = None
    memory: int | None = None
    covariance: bool = False
    follow_links: bool = False
    overwrite: bool = False
    checkpoint: str | None = None
    checkpoint_every: str = "10m"
    no_checkpoint: bool = False
    max_time: str | None = None
    resumed_from: tuple = field(default=())

    def __post_init__(self):
        if self.exchange is None:
            object.__setattr__(self, "exchange", EXCHANGES[self.method][0])
        if self.tol is None:
            object.__setattr__(self, "tol", BATCH_TOL if self.batch_rows and not self.polish else TOL)

    @property
    def is_ritz(self):
        """Whether rounds end in a Rayleigh–Ritz step."""
        return self.exchange == "ritz"

    @property
    def keeps_history(self):
        """Whether there is a basis: of the Ritz exchange, but for mini-batches alone."""
        return bool(self.polish) or (self.is_ritz and not self.batch_rows)

    @property
    def eta(self):
        """The step size in the data's own units, or None: scale-free."""
        return None if self.step_size in (None, "auto") else float(self.step_size)

    @property
    def steps_schedule(self):
        """How steps on mini-batches change: as asked for, else adaptive if scale-free, constant if given."""
        return self.step_schedule or ("adaptive" if self.eta is None else "constant")

    @property
    def vector_panels(self):
        """Panels of the vectors exchange that are held once per node: two of vectors, and two of images where superiors' are wanted; of windows
        one of each, for when all meet."""
        return 2 if self.is_window else 2 * self._published

    @property
    def is_window(self):
        """Whether workers wait for nobody."""
        return self.exchange == "window"

    @property
    def _published(self):
        """Vectors that a worker publishes: its own, and its image where inferiors' rule wants it."""
        return 2 if self.method == "eigengame-alpha" or (self.deflation == "projection" and not self.batch_rows) else 1

    @property
    def private_panels(self):
        """Panels that every rank holds for itself: what its superiors have published in windows."""
        return self._published if self.is_window else 0

    @property
    def own_vectors(self):
        """Vectors that the top1 solver holds beside each one, and a window: two slots, and room to read one."""
        if self.batch_rows:
            return 4
        return {"lanczos": 4 * (self.local_steps or 1), "momentum": 4, "chebyshev": 3}.get(self.top1, 0) + 3 * self.private_panels

    @property
    def starts_in_double(self):
        """Whether products are taken in float64 from the start."""
        return self.precision == "double" or (self.precision == "auto" and self.tol < SMALLEST_SINGLE_TOL)

    @property
    def checkpoint_path(self):
        """Where checkpoints go; None where none are wanted."""
        return None if self.no_checkpoint else self.checkpoint or self.output + ".ckpt"

    def check(self):
        """Raise UsageError where options contradict each other, whatever the data are."""
        if self.exchange not in EXCHANGES[self.method]:
            raise UsageError(f"--exchange {self.exchange}: --method {self.method} exchanges {' or '.join(EXCHANGES[self.method])}")
        asked = f"the {self.exchange} exchange" if self.method == "parallel-deflation" else f"--method {self.method}"
        for name, belongs in BELONGS.items():
            value = getattr(self, name)
            if value is not None and self.exchange not in belongs and not (name == "step_size" and self.batch_rows):
                raise UsageError(f"{option(name, value)} goes with --exchange {self._named(name, belongs)}, not with {asked}")
        if self.basis is not None and self.method == "orthogonal-iteration":
            raise UsageError(f"--basis {self.basis}: --method {self.method} keeps no history; leave --basis out")
        self._check_vectors()
        self._check_window()
        self._check_batches()
        if self.is_ritz and not self.batch_rows and (self.local_steps or 1) != 1:
            raise UsageError(f"--local-steps {self.local_steps} goes with --exchange vectors; the ritz exchange takes one step a round")
        if self.warm_start and self.init:
            raise UsageError("--warm-start and --init both say where to start; give one of them")
        for name, least in (("components", 1), ("max_rounds", 1), ("local_steps", 1), ("guards", 0), ("threads", 1), ("seed", 0), ("max_staleness", 0)):
            value = getattr(self, name)
            if value is not None and value < least:
                raise UsageError(f"{option(name)} {value}: at least {least} is needed")
        if not 0 <= self.tol < 1:
            raise UsageError(f"--tol {self.tol}: a number from 0 up to 1 is needed")
        if self.precision == "single" and self.tol < SMALLEST_SINGLE_TOL:
            raise UsageError(f"--tol {self.tol} cannot be reached in single precision (floor about 1e-7); leave --precision out, or say double")
        if self.covariance and self.operator not in ("auto", "gram"):
            raise UsageError("--covariance data are the matrix itself: --operator gram is the only one")
        if self.basis not in (None, "all") and not self.basis.isdigit():
            raise UsageError(f"--basis {self.basis}: write a number of rows, or all")
        self.cadence()
        try:
            if self.max_time is not None and parse_duration(self.max_time) <= 0:
                raise ValueError
        except ValueError:
            raise UsageError(f"--max-time {self.max_time}: write 55m, 1h30m or 90s") from None
        return self

    def _check_vectors(self):
        is_game = self.method.startswith("eigengame")
        if is_game and self.deflation:
            raise UsageError(f"--deflation {self.deflation}: --method {self.method} is a rule of its own; leave --deflation out")
        if is_game and self.top1 not in (None, "power", "hebb"):
            raise UsageError(f"--top1 {self.top1} needs a symmetric operator, which --method {self.method} has not; use power or hebb")
        when = [option(name, value) for name, value in (("stagger", self.stagger), ("advance", self.advance or None)) if value is not None]
        if self.method == "sequential-deflation" and when:
            raise UsageError(f"--method sequential-deflation is a schedule of its own; leave {' and '.join(when)} out")
        if len(when) > 1:
            raise UsageError(f"{' and '.join(when)} both say when workers begin; give one of them")
        if self.step_size is not None and self.top1 != "hebb" and not self.batch_rows:
            raise UsageError("--step-size goes with --top1 hebb or --batch-rows; the other solvers have no step to choose")
        try:
            if self.step_size not in (None, "auto") and not 0 < float(self.step_size) < float("inf"):
                raise ValueError
        except ValueError:
            raise UsageError(f"--step-size {self.step_size}: write auto, or a number above 0 such as 0.5") from None

    def _check_window(self):
        if self.is_window and self.grid is not None and not self.grid.lower().endswith("x1"):
            raise UsageError(f"--grid {self.grid}: with --exchange window every worker applies Σ alone, on a grid of ranks×1; leave --grid out")
        for text in self.inject_latency or ():
            latency.parse(text)

    def _named(self, name, belongs):
        """Exchanges that an option goes with, as far as they go with the rest."""
        return " or ".join(each for each in belongs if not (self.batch_rows and each == "window")) + ", or with --batch-rows" * (name == "step_size")

    def _check_batches(self):
        if self.batch_rows is None:
            for name in ("polish", "step_schedule"):
                if getattr(self, name) is not None:
                    raise UsageError(f"{option(name)} goes with --batch-rows")
            if self.top1 == "oja":
                raise UsageError("--top1 oja learns from mini-batches: give --batch-rows, or use --top1 hebb")
            return
        asked = f"--batch-rows {self.batch_rows}"
        if self.batch_rows < 2:
            raise UsageError(f"{asked}: at least 2 are needed")
        if self.method not in ("parallel-deflation", "eigengame-mu"):
            raise UsageError(f"{asked} goes with --method parallel-deflation or eigengame-mu, not with {self.method}")
        if self.is_window:
            raise UsageError(f"{asked} goes with --exchange ritz or vectors, not with window")
        if self.top1 not in (None, "hebb", "oja"):
            raise UsageError(f"--top1 {self.top1} needs Σ itself; with {asked} use oja, or leave --top1 out")
        if self.operator != "auto":
            raise UsageError(f"{asked} draws rows straight from the files; leave --operator {self.operator} out")
        if self.covariance:
            raise UsageError(f"{asked} needs rows, not a covariance; leave one of them out")
        if self.warm_start is not None:
            raise UsageError(f"{asked} starts with a pass over all rows; leave --warm-start and --cold out")
        if self.basis is not None and not self.polish:
            raise UsageError("--basis is history of exact passes; give --polish, or leave it out")
        if self.inject_latency:
            raise UsageError(f"--inject-latency slows exact passes, and what is exchanged, not the reading of mini-batches; leave it or {asked} out")
        if self.step_schedule and self.is_ritz:
            raise UsageError("--step-schedule goes with --exchange vectors; the Ritz exchange takes means")

    def cadence(self):
        """Return (seconds or None, rounds or None) between checkpoints; raise UsageError."""
        text = self.checkpoint_every
        try:
            if text.endswith("r") and int(text[:-1]) > 0:
                return None, int(text[:-1])
            return parse_duration(text), None
        except ValueError:
            raise UsageError(f"--checkpoint-every {text}: write 30s, 10m or 10r (rounds)") from None

    def stored(self):
        """As a dict for JSON."""
        return asdict(self)

    @classmethod
    def restored(cls, stored, **changes):
        """From what ``stored`` gave, with ``changes``; what this version does not know is left out."""
        known = {name: value for name, value in stored.items() if name in cls.__dataclass_fields__}
        for name in ("data", "resumed_from"):
            known[name] = tuple(known.get(name) or ())
        return replace(cls(**known), **changes)
