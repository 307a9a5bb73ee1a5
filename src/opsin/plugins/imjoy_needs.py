"""ImJoy needs: what `requirements` and `env` of an ImJoy plugin ask for, in terms of PyPI. Pure.

ImJoy installed with conda, pip and a shell, in environments of Python 3.6 and 3.7. Here packages
come from PyPI alone, in the Python that Opsin runs, and nothing of a plugin is run to install it.
What is asked for in another way and makes no difference is left out, and named; what cannot be had
is an error that says what to write instead.

    needs(["pip: numpy scikit-image", "conda:pytorch", "repo: https://github.com/a/b"],
          "conda create -n x python=3.7")
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from opsin.errors import PluginError

OLDEST = (3, 11)
"""The oldest Python that plugins run in."""
MOST = 500
"""Requirements of one plugin."""
LONGEST = 2000

SAME = {
    *("bokeh", "cellpose", "cloudpickle", "cycler", "cython", "dask", "decorator", "fastai"),
    *("h5py", "imagecodecs", "imageio", "imageio-ffmpeg", "imgaug", "ipython", "ipywidgets"),
    *("joblib", "jupyter", "keras", "lxml", "matplotlib", "mpmath", "msgpack", "napari"),
    *("networkx", "nibabel", "nltk", "notebook", "numba", "numcodecs", "numexpr", "numpy"),
    *("onnx", "onnxruntime", "openpyxl", "packaging", "pandas", "patsy", "pillow", "plotly"),
    *("pooch", "protobuf", "psutil", "pydantic", "pydicom", "pyqtgraph", "pytest"),
    *("python-dateutil", "pytz", "pyyaml", "requests", "scikit-image", "scikit-learn", "scipy"),
    *("seaborn", "setuptools", "shapely", "simpleitk", "six", "sqlalchemy", "starlette"),
    *("statsmodels", "stardist", "sympy", "tensorboard", "tensorflow", "tifffile", "toolz"),
    *("torchvision", "torchaudio", "tornado", "tqdm", "trackpy", "trimesh", "umap-learn"),
    *("wheel", "xarray", "xlrd", "zarr"),
}
"""Packages of conda that PyPI has under the same name."""
OTHERWISE = {
    "blosc": "blosc",
    "dask-core": "dask",
    "faiss-cpu": "faiss-cpu",
    "keras-gpu": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "py-opencv": "opencv-python-headless",
    "pyqt": "PyQt5",
    "pytables": "tables",
    "python-blosc": "blosc",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "seaborn-base": "seaborn",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "torchvision-cpu": "torchvision",
}
"""Packages of conda that PyPI has under another name."""
COMES_ALONG = {
    *("anaconda", "blas", "cudatoolkit", "cudnn", "freetype", "gcc-linux-64", "git"),
    *("intel-openmp", "libblas", "libgcc", "libgcc-ng", "libjpeg-turbo", "liblapack", "libpng"),
    *("libstdcxx-ng", "libtiff", "mkl", "nccl", "openblas", "openssl", "pip", "pytorch-cuda"),
    *("vs2015-runtime", "zlib"),
}
"""Packages of conda that wheels from PyPI bring along, or do without."""

ENGINE_HAD = {
    "janus": "janus",
    "psutil": "psutil",
    "requests": "requests",
    "six": "six",
    "websocket": "websocket-client",
}
"""Modules that ImJoy's engine installed for every plugin, and their packages."""

_IMPORTED = re.compile(r"^[ \t]*(?:import|from)[ \t]+(\w+)", re.MULTILINE)
_OF_PAGES = ("css", "js", "mjs", "package")
_HARMLESS = {
    *("-U", "--upgrade", "-q", "--quiet", "-v", "--verbose", "--user", "--no-cache-dir", "-I"),
    *("--ignore-installed", "--force-reinstall", "--prefer-binary", "-y", "--yes", "--pre"),
    *("--override-channels", "--no-input", "--disable-pip-version-check"),
}
"""Options that change nothing here."""
_PLACES = {
    *("-f", "--find-links", "-i", "--index-url", "--extra-index-url", "--trusted-host"),
    *("-c", "--channel"),
}
"""Options with a value that says where packages come from."""
_LISTS = {"-r", "--requirement"}
_FILES = {"-r", "--requirement", "-e", "--editable", "--constraint", "--file"}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_OPERATOR = re.compile(r"\s*(===|==|~=|!=|<=|>=|<|>)\s*")
_BETWEEN = re.compile(r",\s*(?=[A-Za-z])(?![^\[\]]*\])")
"""A comma between two packages. In brackets it stands between extras."""
_ARCHIVE = re.compile(r"(.+?)-\d[^/]*\.(?:tar\.gz|tar\.bz2|zip)")
_WHEEL = re.compile(r"([A-Za-z0-9_.]+)-[^-]+(?:-\d[^-]*)?-[^-]+-[^-]+-[^-]+\.whl")
_PYTHON = re.compile(r"(?:={1,2})?(\d+)(?:\.(\d+))?(?:\.\d+|\.\*|\*)?(?:=.*)?")


@dataclass(frozen=True, slots=True)
class Repository:
    """A git repository that lies in the plugin's working folder, below `folder`."""

    url: str
    folder: str


@dataclass(frozen=True, slots=True)
class ImjoyNeeds:
    """What is to be installed.

    Attributes:
        requirements: packages, as pip understands them (PEP 508), each once.
        repositories: what is cloned, each into another folder.
        files: lists of requirements that lie in the repositories, as paths from where those lie.
        python: versions of Python that will do (PEP 440); '': any.
        older: the Python that was asked for, if that is older than any that plugins run in.
        left_out: sentences: what was asked for and is not done, as it makes no difference here.
    """

    requirements: tuple[str, ...] = ()
    repositories: tuple[Repository, ...] = ()
    files: tuple[str, ...] = ()
    python: str = ""
    older: str = ""
    left_out: tuple[str, ...] = ()


def needs(requirements: Any, env: Any = None) -> ImjoyNeeds:
    """What the fields of a configuration ask for.

    Args:
        requirements: a text or a list of them; None: nothing.
        env: commands that made an environment, and objects of other engines, likewise.

    Raises:
        PluginError: it is something else, or asks for what cannot be had.
    """
    found = _Found()
    for one in _listed(requirements, "requirements"):
        if not isinstance(one, str):
            raise PluginError(f"A requirement is a text such as 'pip: numpy', not {one!r:.60}.")
        found.add(one.strip())
    for one in _listed(env, "env"):
        found.add_environment(one)
    return ImjoyNeeds(
        tuple(found.requirements.values()),
        tuple(Repository(url, folder) for folder, url in found.repositories.items()),
        tuple(found.files),
        found.python,
        found.older,
        tuple(found.left_out),
    )


def listed_needs(lines: Iterable[str], where: str) -> tuple[str, ...]:
    """The requirements in the lines of a file such as `requirements.txt`, as pip understands them.

    Raises:
        PluginError: one of them is not understood; `where` names the file.
    """
    found = _Found()
    for line in lines:
        plain = re.sub(r"(^|\s)#.*", "", line).strip()
        if len(plain) > LONGEST or len(found.requirements) > MOST:
            raise PluginError(f"The requirements in {where} are far too long.")
        try:
            found.add_listed(plain)
        except PluginError as error:
            raise PluginError(f"In {where}: {error}", reason=error.reason) from None
    return tuple(found.requirements.values())


def engine_needs(scripts: Iterable[str]) -> tuple[str, ...]:
    """Packages that scripts import without asking for them: ImJoy's engine had them for all."""
    found = {module for text in scripts for module in _IMPORTED.findall(text)}
    return tuple(package for module, package in ENGINE_HAD.items() if module in found)


def _listed(value: Any, what: str) -> Sequence[Any]:
    if value is None or value == "":
        return ()
    values = value if isinstance(value, list | tuple) else [value]
    if len(values) > MOST or any(isinstance(one, str) and len(one) > LONGEST for one in values):
        raise PluginError(f"The {what} are far too long: {MOST} of {LONGEST} letters at most.")
    return values


@dataclass(slots=True)
class _Found:
    """What was asked for until now."""

    requirements: dict[str, str] = field(default_factory=dict)
    """By the name of the package: what is asked for last holds, as with pip."""
    repositories: dict[str, str] = field(default_factory=dict)
    """Addresses by folder."""
    files: dict[str, None] = field(default_factory=dict)
    python: str = ""
    older: str = ""
    left_out: dict[str, None] = field(default_factory=dict)

    def add(self, text: str) -> None:
        """A requirement of ImJoy."""
        prefix, colon, rest = text.partition(":")
        kind, rest = prefix.strip().lower(), rest.strip()
        if not text or kind == "cache":
            return
        if colon and kind == "pip":
            self._add_pip(rest)
        elif colon and kind == "conda":
            self._add_conda(rest)
        elif colon and kind == "repo":
            self._add_repository(rest)
        elif colon and kind == "cmd":
            self._add_command(rest)
        elif _is_of_pages(text) or (colon and kind in _OF_PAGES):
            raise PluginError(
                f"{_short(text)} is for plugins that run in a page, and not for Python: ask for "
                "packages with pip:."
            )
        else:
            self._add_pip(text)

    def add_listed(self, line: str) -> None:
        """A line of a file such as `requirements.txt`."""
        if line:
            self._add_pip(line)

    def add_environment(self, one: Any) -> None:
        """An entry of `env`."""
        if isinstance(one, dict):
            kind = str(one.get("type", "unknown"))
            self._leave(f"An environment of the type {_short(kind)} is for another engine.")
            return
        if not isinstance(one, str):
            raise PluginError(f"An environment is a command of conda, not {one!r:.60}.")
        words = _words(one)
        start = [word for word in words[:4] if not word.startswith("-")]
        if start[:2] == ["conda", "create"]:
            self._add_conda(shlex.join(words[words.index("create") + 1 :]))
        elif start[:2] == ["conda", "install"] or start[:2] == ["pip", "install"]:
            add = self._add_conda if start[0] == "conda" else self._add_pip
            add(shlex.join(words[words.index("install") + 1 :]))
        elif start[:2] == ["conda", "config"]:
            self._leave(f"Where packages come from is set for this computer, not by {_short(one)}.")
        elif start[:1] in (["export"], ["set"]):
            self._leave(f"Variables of an environment are not set ({_short(one)}).")
        elif start[:2] in (["source", "activate"], ["conda", "activate"]):
            return
        elif start[:3] == ["conda", "env", "create"]:
            raise PluginError(
                f"The environment is described in a file ({_short(one)}), which an ImJoy file does "
                "not bring: list its packages in `requirements`.",
                reason="needs_conda",
            )
        elif words:
            raise PluginError(
                f"The plugin wants to run a command to make its environment ({_short(one)}), which "
                "Opsin does not do: list its packages in `requirements`.",
                reason="needs_engine",
            )

    # ------------------------------------------------------------------ each kind

    def _add_command(self, text: str) -> None:
        """A command for a shell, of which nothing is run: what it would install is understood."""
        for part in re.split(r"&&|;", text):
            words = _words(part)
            if words[:2] in (["python", "-m"], ["python3", "-m"]):
                words = words[2:]
            if words[:1] == ["pip3"]:
                words[0] = "pip"
            if words[:2] == ["pip", "install"]:
                self._add_pip(shlex.join(words[2:]))
            elif words[:2] == ["conda", "install"]:
                self._add_conda(shlex.join(words[2:]))
            elif words[:2] == ["git", "clone"] and not any(w.startswith("-") for w in words[2:]):
                self._add_repository(" ".join(words[2:]))
            elif words[:2] == ["pip", "uninstall"]:
                self._leave(f"Nothing is there before, so nothing is taken away ({_short(part)}).")
            elif words:
                raise PluginError(
                    f"The plugin wants to run a command to install itself ({_short(part)}), which "
                    "Opsin does not do: ask for packages with pip:, and for repositories with "
                    "repo:.",
                    reason="needs_engine",
                )

    def _add_pip(self, text: str) -> None:
        whole = _parsed(text)
        if whole is not None:
            self._require(whole)
            return
        plain = re.sub(r"\s*,\s*(?=[<>=!~])", ",", _OPERATOR.sub(r"\1", text))
        for word in self._packages(iter(_words(_BETWEEN.sub(" ", plain)))):
            self._require(self._from_pip(word))

    def _from_pip(self, word: str) -> Requirement:
        if "://" in word and " @ " not in word:
            return _from_address(word)
        if re.match(r"\.{0,2}[/\\]|\.{1,2}$|~|[A-Za-z]:\\", word):
            raise PluginError(
                f"{_short(word)} is a file or folder, which an ImJoy file does not bring: ask for "
                "a package of PyPI, or a repository with repo:."
            )
        found = _parsed(word)
        if found is None:
            raise PluginError(
                f"The requirement {_short(word)} is not understood: write it like "
                "'pip: numpy>=1.26 scipy'."
            )
        return found

    def _add_conda(self, text: str) -> None:
        words = iter(_words(_OPERATOR.sub(r"\1", text)))
        for word in self._packages(words, skipping=("-n", "--name", "-p", "--prefix")):
            name, version = _of_conda(word)
            plain = canonicalize_name(name)
            if plain == "python":
                self._ask_python(version, word)
            elif plain in COMES_ALONG or name.startswith("_"):
                self._leave(f"{name} is of conda: packages from PyPI bring along what they need.")
            elif plain in SAME or plain in OTHERWISE:
                package = OTHERWISE.get(plain, name)
                self._require(_with_version(package, version, word))
                if canonicalize_name(package) != plain:
                    self._leave(f"{name} of conda is {package} on PyPI, from where it is taken.")
            else:
                raise PluginError(
                    f"{_short(name)} is asked for from conda, and Opsin installs from PyPI: if it "
                    "is there, ask for it with pip:.",
                    reason="needs_conda",
                )

    def _packages(self, words: Iterator[str], skipping: Sequence[str] = ()) -> Iterator[str]:
        """The words that are no options."""
        for word in words:
            option, equals, value = word.partition("=")
            if not word.startswith("-"):
                yield word
            elif option in skipping or option in _PLACES:
                value = value if equals else next(words, "")
                if option in _PLACES:
                    self._leave(
                        f"Packages come from where this computer is set to have them from, and not "
                        f"from {_short(value)}."
                    )
            elif option in _FILES:
                value = value if equals else next(words, "")
                if option in _LISTS and self._lies_in_repository(value):
                    self.files[value] = None
                    continue
                raise PluginError(
                    f"{option} names a file ({_short(value)}), which an ImJoy file does not bring: "
                    "list its packages in `requirements`.",
                    reason="needs_engine",
                )
            elif word not in _HARMLESS:
                raise PluginError(
                    f"The option {_short(word)} of a requirement is not known: leave it out."
                )

    def _lies_in_repository(self, path: str) -> bool:
        parts = path.removeprefix("./").split("/")
        return parts[0] in self.repositories and not {"", ".", ".."} & set(parts[1:])

    def _add_repository(self, text: str) -> None:
        words = _words(text)
        parts = _split(words[0] if words else "")
        if parts.scheme != "https" or not parts.hostname or parts.username or len(words) > 2:
            raise PluginError(
                f"{_short(text)} is no repository that can be fetched: write it like "
                "'repo: https://github.com/USER/NAME', with a folder behind it if need be."
            )
        named = words[1] if len(words) > 1 else PurePosixPath(parts.path).name
        folder = named if len(words) > 1 else named.removesuffix(".git")
        if not _NAME.fullmatch(folder) or folder.endswith("."):
            raise PluginError(
                f"The folder of a repository has a plain name such as models, not {_short(folder)}."
            )
        known = self.repositories.setdefault(folder, words[0])
        if known != words[0]:
            raise PluginError(
                f"Two repositories are to lie in the folder {folder}: name another one behind the "
                "address of one of them."
            )

    # ------------------------------------------------------------------ what is kept

    def _require(self, requirement: Requirement) -> None:
        if requirement.url is not None:
            placed = _from_address(requirement.url, requirement.name)
            placed.extras, placed.marker = requirement.extras, requirement.marker
            requirement = placed
        name = canonicalize_name(requirement.name)
        self.requirements.pop(name, None)
        self.requirements[name] = str(requirement)

    def _ask_python(self, version: str, word: str) -> None:
        if not version:
            return
        found = _PYTHON.fullmatch(version)
        if found is None:
            self._leave(f"Which Python it wants is not understood ({_short(word)}).")
            return
        major, minor = int(found[1]), found[2]
        if major < 3:
            raise PluginError(
                f"The plugin was written for Python {major}, which nobody maintains any more: it "
                "has to be brought to Python 3.",
                reason="needs_python",
            )
        if minor is None:
            return
        asked = f"{major}.{int(minor)}"
        if (major, int(minor)) < OLDEST:
            self.older = asked
            self._leave(
                f"It asks for Python {asked}: Opsin runs plugins in Python "
                f"{'.'.join(map(str, OLDEST))} or later."
            )
        else:
            self.python = f"=={asked}.*"

    def _leave(self, sentence: str) -> None:
        self.left_out[sentence] = None


def _from_address(address: str, name: str = "") -> Requirement:
    """A package that is given by its address."""
    shown = _short(address)
    kind, plus, _ = address.partition("+")
    kind = kind if plus and kind.isalpha() else ""
    parts = _split(address.removeprefix(f"{kind}+") if kind else address)
    if kind not in ("", "git") or parts.scheme != "https" or not parts.hostname or parts.username:
        raise PluginError(
            f"{shown} cannot be fetched: a package comes from an address that begins with https:// "
            "or git+https://, without a name or password in it.",
            reason="needs_network",
        )
    file = PurePosixPath(parts.path).name
    egg = re.search(r"(?:^|&)egg=([A-Za-z0-9._-]+)", parts.fragment)
    wheel, archive = _WHEEL.fullmatch(file), _ARCHIVE.fullmatch(file)
    if not name and egg:
        name = egg[1]
    if not name and kind == "git":
        name = PurePosixPath(parts.path.partition("@")[0]).name.removesuffix(".git")
    elif not name and (wheel or archive):
        found = wheel or archive
        assert found is not None
        name = found[1].replace("_", "-")
    elif not name and "/archive/" in parts.path:  # https://github.com/USER/NAME/archive/main.zip
        name = PurePosixPath(parts.path.partition("/archive/")[0]).name
    whole = parts._replace(fragment="").geturl()
    requirement = _parsed(f"{name} @ {kind}{'+' * bool(kind)}{whole}") if name else None
    if requirement is None:
        raise PluginError(
            f"Which package lies at {shown} cannot be told: write its name before it, like "
            "'pip: NAME @ https://…'."
        )
    return requirement


def _of_conda(word: str) -> tuple[str, str]:
    """Name and version of a package as conda writes it: `channel::name=1.2=build`."""
    text = word.rpartition("::")[2]
    found = re.match(r"_?[A-Za-z0-9][A-Za-z0-9._-]*", text)
    if found is None:
        raise PluginError(
            f"The requirement {_short(word)} is not understood: write it like 'conda: numpy=1.26'."
        )
    return found[0], text[found.end() :]


def _with_version(name: str, version: str, word: str) -> Requirement:
    """A package in a version as conda writes it."""
    pattern = version
    if re.match(r"=[^=]", version):  # a single one means all versions that begin so
        wanted = version[1:].partition("=")[0].rstrip("*").rstrip(".")
        pattern = f"=={wanted}.*" if wanted else ""
    found = _parsed(f"{name}{pattern}")
    if found is None:
        raise PluginError(
            f"The version in {_short(word)} is not understood: write it like 'conda: numpy=1.26'."
        )
    return found


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _split(address: str) -> Any:
    try:
        parts = urlsplit(address)
        _ = parts.hostname, parts.port
    except ValueError:
        return urlsplit("")
    return parts


def _words(text: str) -> list[str]:
    """As a shell sees them."""
    try:
        return shlex.split(text)
    except ValueError:
        raise PluginError(f"A quote is not closed in {_short(text)}.") from None


def _is_of_pages(text: str) -> bool:
    return text.startswith(("http://", "https://")) and _split(text).path.endswith(
        (".js", ".css", ".mjs")
    )


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return repr(plain if len(plain) <= 80 else f"{plain[:79]}…")
