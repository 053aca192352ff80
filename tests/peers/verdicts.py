"""What scikit-learn's tests of PCA say of ``hpcpca.PCA``: all pass but those that are named here.

Each line is ((test, {argument: its value, or a condition}), (verdict, what the failure says,
reason)); the first one that fits counts.
"""

VERSION = "1.9."
NO, FAILS = "does not apply", "fails by design"


OF_N = "K = n ≤ d is refused: less their mean, n rows have n − 1 components, and a null one there"
WHITENED = "scores of no variance are not whitened"
NOT_SCALED = "cannot be scaled to 1"
OF_ALL, BUT_ONE = {"other_svd_solver": "covariance_eigh"}, {"other_svd_solver": "arpack"}
IN_NOTHING = {"rank_deficient": True, "whiten": True}


def _is_wide(data):
    return data.shape[0] < data.shape[1]


def _no(reason, *tests):
    return [((f"test_{test}", {}), (NO, "", reason)) for test in tests]


def _fails(reason, said, test, **arguments):
    return (f"test_{test}", arguments), (FAILS, said, reason)


VERDICTS = [
    *_no(
        "'mle' picks K by Minka's rule: hpcpca has -k 0.95, auto and edge",
        *("n_components_mle", "n_components_mle_error", "pca_dim", "mle_redundant_data"),
        *("fit_mle_too_few_samples", "mle_simple_case"),
    ),
    *_no(
        "functions inside of scikit-learn, no PCA",
        *("assess_dimension_bad_rank", "small_eigenvalues_mle", "assess_dimension_rank_one"),
    ),
    *_no(
        "arrays of other libraries",
        *("pca_array_api_compliance", "pca_mle_array_api_compliance"),
        "array_api_error_and_warnings_on_unsupported_params",
    ),
    *_no("which solver takes sparse input", "sparse_pca_solver_error"),
    *_no("which solver 'auto' takes", "pca_svd_solver_auto"),
    *_no("words of errors of solvers", "pca_validation"),
    _fails(OF_N, "n_components 10: the data have at most 9", "no_empty_slice_warning"),
    _fails(WHITENED, NOT_SCALED, "pca_solver_equivalence", **IN_NOTHING, **OF_ALL),
    _fails(WHITENED, NOT_SCALED, "pca_solver_equivalence", **IN_NOTHING, **BUT_ONE),
    _fails(OF_N, "assert 3 == ", "n_components_none", data=_is_wide, solver="full"),
    _fails(OF_N, "assert 3 == ", "n_components_none", data=_is_wide, solver="randomized"),
    _fails(
        "whitening is of scores, and leaves the model and its likelihood",
        "assert .* > ",
        "pca_score",
    ),
    _fails(
        "the fewest that explain that share, and they do exactly; scikit-learn's explain more",
        "assert 3 == 4",
        "pca_n_components_mostly_explained_variance_ratio",
    ),
    _fails("K is at least 1", "n_components 0: at least 1", "pca_score3"),
    _fails(OF_N, "n_components 3: .* at most 2", "pca_zero_noise_variance_edge_cases"),
    _fails("results are float64", r"dtype\('float64'\)", "pca_dtype_preservation"),
]
COUNTS = {
    ("dense", "passes"): 129,
    ("dense", FAILS): 25,
    ("dense", NO): 220,
    ("sparse", "passes"): 224,
    ("sparse", NO): 8,
}
