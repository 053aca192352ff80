"""Files of several fields, as packages ship them, with the commands that a scientist would type.

The packages are not needed by hpcpca: files are looked for among those that are installed, and in
the folder $HPCPCA_REAL_FILES, where wheels and sdists are unpacked. What is not there is skipped.
docs/data.md has the table of what was tried.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
from launch import run
from real_files import NEAR, by_numpy, check, counts, dense, fitted, found, listed, values

pytestmark = pytest.mark.once

IRIS, EOFS = "iris_sample_data/sample_data", "eofs/examples/example_data"
CELLS = "scanpy/datasets/10x_pbmc68k_reduced.h5ad"
TENX = "scanpy-*/tests/_data/10x_data/3.0.0/filtered_feature_bc_matrix.h5"
ARCHIVE = "anndata-*/tests/data/archives/v0.7.8/adata.h5ad"
MATLAB = "pymatreader-*/tests/test_data"
LINE_SCAN = "exspy/tests/signals/data/EELS_LL_linescan_simulated_thickness_variation.hspy"
H5MD = "MDAnalysisTests/data"
ATOMS = "particles/atoms"
ANY_WARNINGS = pytest.mark.filterwarnings("ignore")  # of packages of others
DROP = ("--nan", "drop-columns")


# ---------------------------------------------------------------- single cells


def test_cells(tmp_path):
    """AnnData of 2018, dense."""
    path = found(CELLS)
    listed(path, "X: 700 rows × 765 columns float32", "raw.X: 700 × 765 with 174400 values")
    result = fitted(tmp_path / "out.h5", f"{path}:X", "-k", 50)
    check(result, *by_numpy(values(path, "X")))


@ANY_WARNINGS
@pytest.mark.parametrize("dtype, near", [("float32", 1e-3), ("float64", NEAR)])
def test_cells_as_scanpy(tmp_path, dtype, near):
    """It computes in the type of the values: float32 in the file."""
    scanpy = pytest.importorskip("scanpy")
    path = found(CELLS)
    cells = scanpy.read_h5ad(path)
    cells.X = cells.X.astype(dtype)
    scanpy.pp.pca(cells)  # of highly variable genes, unless it is told otherwise
    genes = cells.var["highly_variable"].to_numpy()
    column = "--columns", f"{path}:var/highly_variable"
    result = fitted(tmp_path / "out.h5", f"{path}:X", *column, "-k", 50)
    check(result, cells.uns["pca"]["variance"], cells.varm["PCs"][genes].T, near)
    words = ("transform", tmp_path / "out.h5", f"{path}:X", "-o", tmp_path / "scores.h5")
    run(0, *words, "--dtype", "float64").ok()
    with h5py.File(tmp_path / "scores.h5") as file:
        scores = file["scores"][...]
    peer = cells.obsm["X_pca"]
    np.testing.assert_allclose(abs(scores), abs(peer), atol=near * abs(scores).max())


def test_cells_sparse(tmp_path):
    """The same file's ``raw.X``, CSR of anndata before 0.7, of chosen genes."""
    path = found(CELLS)
    with h5py.File(path) as file:
        genes = np.flatnonzero(file["var"]["dispersions_norm"] > 1)
        np.save(tmp_path / "genes.npy", genes)
    column = "--columns", tmp_path / "genes.npy"
    rows = dense(path, "raw.X", (700, 765))[:, genes]
    result = fitted(tmp_path / "out.h5", f"{path}:raw.X", *column, "-k", 10)
    check(result, *by_numpy(rows))


def test_archive(tmp_path):
    """AnnData's own test file of version 0.7.8: CSR, and CSC along the other axis."""
    path = found(ARCHIVE)
    listed(path, "raw/X: 30 × 40 with 453 values, sparse CSR")
    result = fitted(tmp_path / "out.h5", f"{path}:raw/X", "-k", 5)
    check(result, *by_numpy(dense(path, "raw/X", (30, 40))))


def test_10x(tmp_path):
    path = found(TENX)
    listed(path, "matrix: 507 × 1107 with 23866 values, sparse CSC")
    how = "--samples-axis", 1, "--normalize-rows", 1e4, "--log1p", "-k", 10
    result = fitted(tmp_path / "out.h5", f"{path}:matrix", *how)
    check(result, *by_numpy(counts(dense(path, "matrix", (1107, 507)))))


@ANY_WARNINGS
def test_10x_as_scanpy(tmp_path):
    scanpy = pytest.importorskip("scanpy")
    path = found(TENX)
    cells = scanpy.read_10x_h5(path)
    cells.X = cells.X.astype(float)
    scanpy.pp.normalize_total(cells, target_sum=1e4)
    scanpy.pp.log1p(cells)
    scanpy.pp.pca(cells, n_comps=10)
    how = "--samples-axis", 1, "--normalize-rows", 1e4, "--log1p", "-k", 10
    result = fitted(tmp_path / "out.h5", f"{path}:matrix", *how)
    check(result, cells.uns["pca"]["variance"], cells.varm["PCs"].T)


# ---------------------------------------------------------------- fields of the earth


def field(path, name, top=1e19):
    """A field of a NetCDF-4 file, (time, cells) with NaN on land, and the root of the cosine of
    each cell's latitude.
    """
    with h5py.File(path) as file:
        array = file[name][...].astype(float)
        latitudes = file["latitude"][...].astype(float)
    array[abs(array) > top] = np.nan
    weights = np.broadcast_to(np.sqrt(np.cos(np.deg2rad(latitudes)))[:, None], array.shape[1:])
    return array, weights


def by_eofs(array, weights):
    """Eigenvalues and vectors by the package eofs: of the cells that are not missing."""
    solver = pytest.importorskip("eofs.standard").Eof(array, weights=weights)
    vectors = solver.eofs().reshape(solver.neofs, -1)
    return solver.eigenvalues(), vectors[:, ~np.isnan(vectors).any(axis=0)]


@pytest.mark.parametrize(
    "file, name, said, options",
    [
        ("E1_north_america.nc", "air_temperature", "240 rows × (37 × 49) float32", ()),
        ("ostia_monthly.nc", "surface_temperature", "54 rows × (18 × 432) float32", DROP),
    ],
    ids=["land", "ocean"],
)
@pytest.mark.parametrize("peer", ["numpy", "eofs"])
def test_fields(tmp_path, file, name, said, options, peer):
    path = found(f"{IRIS}/{file}")
    listed(path, f"{name}: {said}")
    how = "--column-weights", "coslat", *options, "-k", 5
    result = fitted(tmp_path / "out.h5", f"{path}:{name}", *how)
    array, weights = field(path, name)
    near = 1e-6
    if peer == "eofs":
        check(result, *by_eofs(array, weights), near)
    else:
        rows = (array * weights).reshape(len(array), -1)
        check(result, *by_numpy(rows[:, ~np.isnan(rows).any(axis=0)]), near)


def test_ocean(tmp_path):
    """One time and level of the ocean: rows of the grid are the samples, land their mean."""
    path = found(f"{IRIS}/orca2_votemper.nc")
    listed(path, "votemper: 148 rows × 180 columns float32")
    result = fitted(tmp_path / "out.h5", f"{path}:votemper", "--nan", "mean", "-k", 5)
    rows = values(path, "votemper")
    rows[rows > 1e30] = np.nan
    rows = np.where(np.isnan(rows), np.nanmean(rows, axis=0), rows)
    check(result, *by_numpy(rows))


def test_months_in_files(tmp_path):
    """NEMO's output, a file a month."""
    paths = sorted(Path(found(f"{IRIS}/NEMO")).glob("*.nc"))
    data = f"{paths[0].parent}/*.nc:tos"
    result = fitted(tmp_path / "out.h5", data, "--nan", "drop-columns", "-k", 2)
    rows = np.concatenate([values(path, "tos") for path in paths])
    rows[rows > 1e19] = np.nan
    check(result, *by_numpy(rows[:, ~np.isnan(rows).any(axis=0)]))


@pytest.mark.parametrize(
    "file, name, said, options",
    [
        ("hgt_djf.nc", "z", "z: 65 × 1 × 29 × 49 float64", ()),
        ("sst_ndjfm_anom.nc", "sst", "sst: 50 × 18 × 30 float64", DROP),
    ],
    ids=["height", "ocean"],
)
def test_classic(tmp_path, file, name, said, options):
    """NetCDF-3: as the package eofs, whose examples they are."""
    scipy_io = pytest.importorskip("scipy.io")
    path = found(f"{EOFS}/{file}")
    listed(path, "NetCDF-3", said)
    how = "--column-weights", "coslat", *options, "-k", 5
    result = fitted(tmp_path / "out.h5", f"{path}:{name}", *how)
    with scipy_io.netcdf_file(path, mmap=False) as opened:
        array = opened.variables[name][:].astype(float)
        latitudes = opened.variables["latitude"][:].astype(float)
    array[abs(array) > 1e19] = np.nan
    cosines = np.clip(np.cos(np.deg2rad(latitudes)), 0, 1)[:, None]
    check(result, *by_eofs(array, np.broadcast_to(np.sqrt(cosines), array.shape[1:])))


# ---------------------------------------------------------------- instruments


def test_chopper(tmp_path):
    """NeXus: times of flight of 148 detectors of a neutron chopper."""
    path, name = found("nexusformat/examples/chopper.nxs"), "entry/data/data"
    listed(path, f"{name}: 148 rows × 750 columns int32")
    result = fitted(tmp_path / "out.h5", path, "--columns", "100:600", "-k", 5)
    check(result, *by_numpy(values(path, name)[:, 100:600]))
    result = fitted(tmp_path / "turned.h5", path, "--samples-axis", 1, "--rows", "100:600", "-k", 5)
    check(result, *by_numpy(values(path, name)[:, 100:600].T))


def test_line_scan(tmp_path):
    """HyperSpy: electron energy losses along a line; the dataset's name has blanks and TeX."""
    path = found(LINE_SCAN)
    listed(path, "17 rows × 1024 columns float64")
    result = fitted(tmp_path / "out.h5", path, "-k", 3)
    with h5py.File(path) as file:
        (name,) = file["Experiments"]
    check(result, *by_numpy(values(path, f"Experiments/{name}/data")))


@ANY_WARNINGS
def test_line_scan_as_hyperspy(tmp_path):
    """It divides by n, and its factors have the lengths of the singular values."""
    hyperspy = pytest.importorskip("hyperspy.api")
    path = found(LINE_SCAN)
    scan = hyperspy.load(path)
    scan.decomposition(algorithm="SVD", centre="navigation", print_info=False)
    peer, (n, _) = scan.learning_results, scan.data.shape
    result = fitted(tmp_path / "out.h5", path, "-k", 3)
    check(result, peer.explained_variance * n / (n - 1), peer.factors.T)


def recording(path):
    """Names and rows of the trials in a FieldTrip structure in MATLAB 7.3: a cell's references."""
    with h5py.File(path) as file:
        held = file["data"] if "data" in file else file[file["data_epoched"][0, 0]]
        names = [file[each].name.lstrip("/") for each in held["trial"][...].ravel()]
    return [f"{path}:{name}" for name in names], [values(path, name) for name in names]


def test_magnetoencephalogram(tmp_path):
    """Samples × channels in the file."""
    path = found(f"{MATLAB}/bti_raw_v73.mat")
    (data,), (rows,) = recording(path)
    listed(path, f"{data.rpartition(':')[2]}: 1018 rows × 191 columns float64")
    check(fitted(tmp_path / "out.h5", data, "-k", 5), *by_numpy(rows))


def test_epochs(tmp_path):
    """85 of them, one after another; of all channels, scaled."""
    path = found(f"{MATLAB}/ft_v73.mat")
    data, trials = recording(path)
    rows = np.concatenate(trials)
    result = fitted(tmp_path / "out.h5", *data, "--scale", "-k", 5)
    check(result, *by_numpy(rows / rows.std(axis=0, ddof=1)))


@pytest.mark.parametrize("file, field", [("bti_raw", "data"), ("ft", "data_epoched")])
def test_rows_as_pymatreader(file, field):
    """It gives channels × samples, as MATLAB has them."""
    reader = pytest.importorskip("pymatreader")
    path = found(f"{MATLAB}/{file}_v73.mat")
    trials = reader.read_mat(path)[field]
    trials = trials[0]["trial"] if isinstance(trials, list) else [trials["trial"]]
    for ours, theirs in zip(recording(path)[1], trials, strict=True):
        np.testing.assert_array_equal(ours, theirs.T)


# ---------------------------------------------------------------- molecules


def test_trajectory(tmp_path):
    """H5MD: positions, and positions beside momenta."""
    path = found(f"{H5MD}/cu.h5md")
    listed(path, f"{ATOMS}/position/value: 20 rows × (108 × 3) float64")
    position, momentum = f"{ATOMS}/position/value", f"{ATOMS}/momentum/value"
    result = fitted(tmp_path / "out.h5", f"{path}:{position}", "-k", 5)
    check(result, *by_numpy(values(path, position)))
    result = fitted(
        tmp_path / "join.h5", f"{path}:{position}", f"{path}:{momentum}", "--join", "-k", 5
    )
    check(result, *by_numpy(np.hstack([values(path, position), values(path, momentum)])))


def test_atoms_as_samples(tmp_path):
    path, name = found(f"{H5MD}/cu.h5md"), f"{ATOMS}/position/value"
    result = fitted(tmp_path / "out.h5", f"{path}:{name}", "--samples-axis", 1, "-k", 5)
    with h5py.File(path) as file:
        rows = np.moveaxis(file[name][...], 1, 0).reshape(108, -1)
    check(result, *by_numpy(rows))


@ANY_WARNINGS
def test_trajectory_as_mdanalysis(tmp_path):
    """It holds positions as float32."""
    mda = pytest.importorskip("MDAnalysis")
    from MDAnalysis.analysis.pca import PCA

    path = found(f"{H5MD}/cu.h5md")
    atoms = mda.Universe.empty(108, trajectory=True)
    atoms.load_new(path, format="H5MD", convert_units=False)
    theirs = PCA(atoms, select="all", align=False, n_components=5).run().results
    result = fitted(tmp_path / "out.h5", f"{path}:{ATOMS}/position/value", "-k", 5)
    check(result, theirs.variance, theirs.p_components.T, near=1e-5)


def test_protein(tmp_path):
    """What GROMACS computed, three times of 19,385 atoms."""
    path, name = found(f"{H5MD}/cobrotoxin.h5md"), "particles/trajectory/position/value"
    result = fitted(tmp_path / "out.h5", f"{path}:{name}", "-k", 2)
    check(result, *by_numpy(values(path, name)))


def test_amber(tmp_path):
    """Amber's trajectories are NetCDF-3."""
    path = found(f"{H5MD}/Amber/bala.ncdf")
    listed(path, "NetCDF-3", "coordinates: ")
    result = fitted(tmp_path / "out.h5", f"{path}:coordinates", "-k", 5)
    scipy_io = pytest.importorskip("scipy.io")
    with scipy_io.netcdf_file(path, mmap=False) as opened:
        rows = opened.variables["coordinates"][:].astype(float)
    check(result, *by_numpy(rows.reshape(len(rows), -1)))
