"""How many results of popular packages' functions are values: calls 100 of them, and prints a table for docs/values.md.

    python scripts/values_survey.py

A package that is missing is left out, and said so. What comes back must have the same type and the same content.
"""

from __future__ import annotations

import collections
import datetime
import importlib
import pickle
import platform
import sys
import warnings
from collections.abc import Callable
from importlib import metadata
from typing import Any

from raisin_core.serialization.values import NotAValue, decode, encode

use = importlib.import_module
NAMES = {"sklearn": "scikit-learn", "PIL": "pillow"}


def cross(name: str) -> Any:
    """A cross-validation of a classifier that guesses."""
    guess = use("sklearn.dummy").DummyClassifier()
    return getattr(use("sklearn.model_selection"), name)(guess, [[0]] * 8, [0, 1] * 4, cv=2)


TABLE: dict[str, list[tuple[str, Callable[[Any], Any]]]] = {
    "standard": [
        ("os.stat", lambda m: use("os").stat(".")),
        ("os.listdir", lambda m: use("os").listdir(".")),
        ("pathlib.Path.iterdir", lambda m: list(use("pathlib").Path().iterdir())),
        ("json.loads", lambda m: use("json").loads('{"a": [1, 2.5, null]}')),
        ("re.findall", lambda m: use("re").findall(r"(\w)(\d)", "a1 b2")),
        ("re.match", lambda m: use("re").match("a", "a")),
        ("datetime.now", lambda m: datetime.datetime.now(datetime.timezone.utc)),
        ("time.localtime", lambda m: use("time").localtime()),
        ("decimal.Decimal", lambda m: use("decimal").Decimal("1.1") * 3),
        ("fractions.Fraction", lambda m: use("fractions").Fraction(1, 3)),
        ("uuid.uuid4", lambda m: use("uuid").uuid4()),
        ("collections.Counter", lambda m: collections.Counter("abracadabra")),
        ("statistics.quantiles", lambda m: use("statistics").quantiles(range(9))),
        ("statistics.linear_regression", lambda m: use("statistics").linear_regression([1, 2], [3, 5])),
        ("itertools.groupby", lambda m: [list(g) for _, g in use("itertools").groupby("aabb")]),
        ("hashlib.sha256.digest", lambda m: use("hashlib").sha256(b"x").digest()),
        ("urllib.parse.urlsplit", lambda m: use("urllib.parse").urlsplit("http://a/b?c")),
        ("csv.DictReader", lambda m: list(use("csv").DictReader(["a,b", "1,2"]))),
        ("ast.literal_eval", lambda m: use("ast").literal_eval("{1: (2, {3})}")),
        ("math.factorial", lambda m: use("math").factorial(100)),
    ],
    "numpy": [
        ("arange", lambda np: np.arange(10)),
        ("mean", lambda np: np.mean([1, 2])),
        ("histogram", lambda np: np.histogram([1, 2, 2, 3])),
        ("unique (counts)", lambda np: np.unique([1, 2, 2], return_counts=True)),
        ("linalg.svd", lambda np: np.linalg.svd(np.eye(3))),
        ("linalg.eig", lambda np: np.linalg.eig(np.eye(3))),
        ("linalg.lstsq", lambda np: np.linalg.lstsq(np.eye(3), np.ones(3), rcond=None)),
        ("fft.fft", lambda np: np.fft.fft([1, 2, 3])),
        ("where", lambda np: np.where(np.arange(5) > 2)),
        ("polyfit", lambda np: np.polyfit([1, 2, 3], [1, 4, 9], 2)),
        ("polynomial.Polynomial.fit", lambda np: np.polynomial.Polynomial.fit([1, 2, 3], [1, 4, 9], 2)),
        ("random.default_rng", lambda np: np.random.default_rng(0)),
        ("random.Generator.normal", lambda np: np.random.default_rng(0).normal(size=(3, 2))),
        ("array of records", lambda np: np.array([(1, "a")], dtype=[("n", "i4"), ("s", "U3")])),
        ("datetime64 range", lambda np: np.arange("2020-01", "2020-03", dtype="M8[D]")),
        ("argmax", lambda np: np.argmax([1, 3, 2])),
        ("ma.masked_invalid", lambda np: np.ma.masked_invalid([1.0, np.nan])),
    ],
    "pandas": [
        ("DataFrame", lambda pd: pd.DataFrame({"a": [1, 2], "b": ["x", None]})),
        ("describe", lambda pd: pd.DataFrame({"a": [1.0, 2.0]}).describe()),
        ("groupby.agg", lambda pd: pd.DataFrame({"a": [1, 1, 2], "b": [1.0, 2, 3]}).groupby("a").agg(["mean", "sum"])),
        ("pivot_table", lambda pd: pd.DataFrame({"a": list("xy"), "b": [1, 2]}).pivot_table(index="a", values="b")),
        ("merge", lambda pd: pd.merge(pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1], "b": [2]}))),
        ("value_counts", lambda pd: pd.Series(list("aab")).value_counts()),
        ("date_range", lambda pd: pd.date_range("2020", periods=5, tz="Europe/Berlin")),
        ("resample", lambda pd: pd.Series(range(4), pd.date_range("2020", periods=4)).resample("2D").sum()),
        ("cut", lambda pd: pd.cut([1, 5, 9], 3)),
        ("get_dummies", lambda pd: pd.get_dummies(pd.Series(list("ab")))),
        ("to_numeric", lambda pd: pd.to_numeric(pd.Series(["1", "2"]))),
        ("Timestamp", lambda pd: pd.Timestamp("2020-01-01")),
        ("corr", lambda pd: pd.DataFrame({"a": [1, 2, 3], "b": [3, 2, 1]}).corr()),
        ("read_csv", lambda pd: pd.read_csv(use("io").StringIO("a,b\n1,x"))),
        ("MultiIndex.from_product", lambda pd: pd.MultiIndex.from_product([[1], ["a"]])),
        ("to_dict", lambda pd: pd.DataFrame({"a": [1, 2]}).to_dict("records")),
    ],
    "scipy": [
        ("optimize.minimize", lambda m: use("scipy.optimize").minimize(lambda x: x @ x, [1.0, 2.0])),
        ("optimize.curve_fit", lambda m: use("scipy.optimize").curve_fit(lambda x, a: a * x, [1, 2, 3], [2, 4, 6])),
        ("optimize.brentq", lambda m: use("scipy.optimize").brentq(lambda x: x - 1, 0, 3)),
        ("stats.ttest_ind", lambda m: use("scipy.stats").ttest_ind([1, 2, 3], [2, 3, 5])),
        ("stats.linregress", lambda m: use("scipy.stats").linregress([1, 2, 3], [2, 4, 7])),
        ("stats.describe", lambda m: use("scipy.stats").describe([1, 2, 3])),
        ("integrate.quad", lambda m: use("scipy.integrate").quad(lambda x: x, 0, 1)),
        ("integrate.solve_ivp", lambda m: use("scipy.integrate").solve_ivp(lambda t, y: -y, (0, 1), [1.0])),
        ("interpolate.CubicSpline", lambda m: use("scipy.interpolate").CubicSpline([1, 2, 3], [1, 4, 9])),
        ("signal.find_peaks", lambda m: use("scipy.signal").find_peaks([0, 1, 0, 2, 0])),
        ("sparse.csr_matrix", lambda m: use("scipy.sparse").csr_matrix([[1, 0], [0, 2]])),
        ("linalg.expm", lambda m: use("scipy.linalg").expm([[0.0, 1], [0, 0]])),
        ("spatial.distance.pdist", lambda m: use("scipy.spatial.distance").pdist([[0, 0], [1, 1]])),
        ("cluster.hierarchy.linkage", lambda m: use("scipy.cluster.hierarchy").linkage([[0.0], [1], [5]])),
    ],
    "sklearn": [
        ("datasets.load_iris", lambda m: use("sklearn.datasets").load_iris()),
        ("datasets.make_blobs", lambda m: use("sklearn.datasets").make_blobs(9, random_state=0)),
        ("SVC.fit", lambda m: use("sklearn.svm").SVC().fit([[0], [1]], [0, 1])),
        (
            "LinearRegression.predict",
            lambda m: use("sklearn.linear_model").LinearRegression().fit([[0], [1]], [0, 1]).predict([[2]]),
        ),
        ("cross_val_score", lambda m: cross("cross_val_score")),
        ("cross_validate", lambda m: cross("cross_validate")),
        ("metrics.confusion_matrix", lambda m: use("sklearn.metrics").confusion_matrix([0, 1], [1, 1])),
        (
            "metrics.classification_report",
            lambda m: use("sklearn.metrics").classification_report([0, 1], [0, 1], output_dict=True),
        ),
        ("metrics.roc_curve", lambda m: use("sklearn.metrics").roc_curve([0, 1], [0.2, 0.7])),
        ("train_test_split", lambda m: use("sklearn.model_selection").train_test_split(list(range(9)))),
        ("PCA.fit_transform", lambda m: use("sklearn.decomposition").PCA(1).fit_transform([[0, 1], [1, 0]])),
        ("TfidfVectorizer", lambda m: use("sklearn.feature_extraction.text").TfidfVectorizer().fit_transform(["a bc"])),
        ("get_params", lambda m: use("sklearn.svm").SVC().get_params()),
    ],
    "statsmodels": [
        ("OLS.fit.params", lambda m: use("statsmodels.api").OLS([1, 2, 4], [1, 2, 3]).fit().params),
        ("OLS.fit", lambda m: use("statsmodels.api").OLS([1, 2, 4], [1, 2, 3]).fit()),
        ("acf", lambda m: use("statsmodels.tsa.stattools").acf([1, 2, 3, 2, 1.0], nlags=2)),
    ],
    "networkx": [
        ("shortest_path", lambda nx: nx.shortest_path(nx.path_graph(4), 0, 3)),
        ("pagerank", lambda nx: nx.pagerank(nx.path_graph(4))),
        ("connected_components", lambda nx: list(nx.connected_components(nx.path_graph(4)))),
        ("path_graph", lambda nx: nx.path_graph(4)),
        ("spring_layout", lambda nx: nx.spring_layout(nx.path_graph(4), seed=0)),
        ("edge_betweenness_centrality", lambda nx: nx.edge_betweenness_centrality(nx.path_graph(4))),
    ],
    "sympy": [
        ("factorint", lambda sp: sp.factorint(360)),
        ("solve", lambda sp: sp.solve(sp.Symbol("x") ** 2 - 2)),
        ("primerange", lambda sp: list(sp.primerange(50))),
    ],
    "xarray": [
        ("DataArray.values", lambda xr: xr.DataArray([1, 2]).mean().values),
        ("Dataset", lambda xr: xr.Dataset({"a": ("x", [1, 2])})),
    ],
    "shapely": [
        ("Polygon.area", lambda m: m.Polygon([(0, 0), (1, 0), (1, 1)]).area),
        ("Polygon.buffer", lambda m: m.Point(0, 0).buffer(1)),
        ("geometry.mapping", lambda m: use("shapely.geometry").mapping(m.Point(1, 2))),
    ],
    "PIL": [
        ("Image.histogram", lambda m: use("PIL.Image").new("L", (4, 4)).histogram()),
        ("Image", lambda m: use("PIL.Image").new("L", (4, 4))),
    ],
    "polars": [("DataFrame.to_dicts", lambda pl: pl.DataFrame({"a": [1, 2]}).to_dicts())],
}


def same(before: Any, after: Any) -> bool:
    """The same type, and the same to pickle; what pickle writes in another way is compared by its text."""
    if type(before) is not type(after):
        return False
    return pickle.dumps(before) == pickle.dumps(after) or repr(before) == repr(after)


def verdict(function: Callable[[Any], Any], module: Any) -> str:
    """Empty for a value, else what it is and where the part is that is none."""
    result = function(module)
    try:
        found = decode(encode(result))
    except NotAValue as error:
        where = f" at `{error.place}`" if error.place else ""
        return f"`{error.kind.__module__}.{error.kind.__qualname__}`{where}"
    return "" if same(result, found) else "**changed**"


def version(package: str) -> str:
    return platform.python_version() if package == "standard" else metadata.version(NAMES.get(package, package.lower()))


def main() -> None:
    warnings.simplefilter("ignore")
    sys.stdout.write("| package | functions | values | no values |\n|---|---|---|---|\n")
    asked = good = 0
    for package, functions in TABLE.items():
        try:
            module = None if package == "standard" else use(package)
        except ImportError:
            sys.stdout.write(f"| {package} | missing | | |\n")
            continue
        verdicts = {name: verdict(function, module) for name, function in functions}
        values = sum(not each for each in verdicts.values())
        others = "; ".join(f"{name}: {each}" for name, each in verdicts.items() if each)
        title = "standard library" if package == "standard" else package
        sys.stdout.write(f"| {title} {version(package)} | {len(functions)} | {values} | {others} |\n")
        asked, good = asked + len(functions), good + values
    sys.stdout.write(f"| all | {asked} | {good} | |\n")


if __name__ == "__main__":
    main()
