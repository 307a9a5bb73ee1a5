"""Visible: files that a worker needs, so that Python, its packages and the plugin run at all."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from opsin.workers.environment import CURRENT, Environment

SYSTEM = (
    *("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"),
    *("/opt/amdgpu", "/opt/cuda", "/opt/intel", "/opt/nvidia", "/opt/rocm"),
    *("/nix/store", "/gnu/store", "/run/opengl-driver", "/var/cache/fontconfig"),
)
CONFIGURATION = (
    *("alternatives", "fonts", "glvnd", "group", "ld.so.cache", "ld.so.conf", "ld.so.conf.d"),
    *("localtime", "magic", "mime.types", "nsswitch.conf", "OpenCL", "os-release", "passwd"),
    *("pki/ca-trust", "pki/tls/certs", "pki/tls/cert.pem", "ssl/cert.pem", "ssl/certs"),
    *("ssl/openssl.cnf", "ca-certificates", "timezone", "vulkan"),
)
"""Of /etc. Not all of it: keys and passwords lie there, which root may read."""
FOR_NETWORK = ("gai.conf", "host.conf", "hosts", "protocols", "resolv.conf", "services")
GPUS = ("/dev/dri", "/dev/kfd", "/dev/nvidia*", "/dev/dxg")
VARIABLES = (
    *("BLIS_", "COLUMNS", "CUDA", "DASK_", "GLIBC_", "GOTO_", "GPU_", "HIP_", "HSA_", "ITK_"),
    *("JAVA_HOME", "JAX_", "KERAS_", "KMP_", "LANG", "LC_", "LD_", "LINES", "MALLOC_", "MKL_"),
    *("MPLBACKEND", "NO_COLOR", "NPY_", "NUMBA_", "NUMEXPR_", "NVIDIA_", "OMP_", "OPENBLAS_"),
    *("OPENCV_", "OPSIN_", "ORT_", "PATH", "PYOPENCL_", "PYTHON", "PYTORCH_", "QT_", "ROCM_"),
    *("ROCR_", "SKIMAGE_", "SSL_CERT_", "TBB_", "TERM", "TF_", "TORCH", "TZ", "VECLIB_"),
    *("VIRTUAL_ENV", "XLA_"),
)
"""How the names of variables begin that tell how to compute. Others may be secrets."""
PROXIES = ("ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY")
CERTIFICATES = ("CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_DIR", "SSL_CERT_FILE")
"""Variables that name files of whom to trust on the network."""
HOMES = Path("/home")
TEMPORARY = ("/tmp", "/var/tmp")
NEIGHBOURS = (".py", ".pyd", ".so")
HERE = Path(__file__).resolve().parents[3]
"""The folder that `opsin` lies in."""


def system(network: bool) -> list[Path]:
    """Files and folders of the operating system, as far as they are there."""
    names = CONFIGURATION + FOR_NETWORK * network
    paths = [*map(Path, SYSTEM), *(Path("/etc") / name for name in names)]
    if network:
        trusted = (os.environ.get(name, "") for name in CERTIFICATES)
        paths += [Path(one) for one in trusted if one.startswith(os.sep)]
    return [path for path in paths if path.exists()]


def gpus() -> list[Path]:
    """Devices to compute with."""
    root = Path("/")
    return sorted(path for one in GPUS for path in root.glob(one.removeprefix("/")))


def variables(given: Mapping[str, str], network: bool) -> dict[str, str]:
    """Of these variables those that tell how to compute."""
    return {
        name: value
        for name, value in given.items()
        if name.startswith(VARIABLES) or (network and name.upper() in (*PROXIES, *CERTIFICATES))
    }


def of_environment(environment: Environment) -> tuple[Path, ...]:
    """The interpreter of an environment and its packages."""
    variables = (os.environ.get("PYTHONPATH", ""), os.environ.get("LD_LIBRARY_PATH", ""))
    return _of_environment(environment, tuple(sys.path), *variables)


@lru_cache(maxsize=64)
def _of_environment(
    environment: Environment, path: tuple[str, ...], asked: str, libraries: str
) -> tuple[Path, ...]:
    found: list[Path] = []
    python = environment.python.absolute()
    for _ in range(40):  # as often as the kernel follows links
        found.append(python.parents[min(1, len(python.parents) - 1)])
        if not python.is_symlink():
            break
        python = Path(os.path.normpath(python.parent / python.readlink()))
    found.append(Path(os.path.realpath(python)).parents[1])
    with suppress(OSError):
        for line in (environment.python.parents[1] / "pyvenv.cfg").read_text().splitlines():
            name, _, value = line.partition("=")
            if name.strip() == "home":
                found.append(Path(value.strip()).parent)
    if environment.key == CURRENT:
        places = (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
        found += [HERE, *map(Path, places), *_importable(path, asked)]
    found += [Path(one) for one in libraries.split(os.pathsep) if one.startswith(os.sep)]
    return tuple(dict.fromkeys(path for path in found if not is_private(path)))


def beside(file: Path) -> tuple[Path, ...]:
    """A plugin's file, and what it may read beside it: the folder that it lies in.

    Of a folder that is the user's own, or has it inside, only modules and packages.
    """
    file = file.absolute()
    if not is_private(file.parent):
        return (file.parent,)
    found = [file]
    with suppress(OSError):
        for one in sorted(file.parent.iterdir()):
            if one.suffix in NEIGHBOURS or (one / "__init__.py").is_file():
                found.append(one)
    return tuple(found)


def around(path: Path) -> tuple[Path, ...]:
    """A file or folder to be read, and what may belong to it: the folder that it lies in.

    Of a folder that is the user's own, or has it inside, only what has the same name up to a dot.
    """
    path = path.absolute()
    if path.is_dir():
        return (path,)
    if not is_private(path.parent):
        return (path, path.parent)
    stem = path.name.partition(".")[0]
    found = [path]
    with suppress(OSError):
        found += (one for one in path.parent.iterdir() if one.name.partition(".")[0] == stem)
    return tuple(dict.fromkeys(found))


def is_private(path: Path) -> bool:
    """Whether this is somebody's own folder, or that of all temporary files, or has one inside."""
    homes = {Path(one).expanduser() for one in ("~", "~root", *TEMPORARY)}
    homes |= {Path(os.path.realpath(home)) for home in homes} | {HOMES}
    paths = {path.absolute(), Path(os.path.realpath(path))}
    if any(path.parent == HOMES for path in paths):
        return True
    return any(home.is_relative_to(path) for home in homes for path in paths)


def outermost(paths: Iterable[Path]) -> list[Path]:
    """The paths without those that lie inside another one, from the outside in. Of what links lead
    to, the real paths as well.
    """
    found: list[Path] = []
    known = {place for path in paths for place in (path, Path(os.path.realpath(path)))}
    for path in sorted(known, key=lambda one: len(one.parts)):
        if not any(path.is_relative_to(one) for one in found):
            found.append(path)
    return found


def _importable(entries: Iterable[str], asked: str) -> Iterator[Path]:
    """Where modules of this Python lie, those too that are worked on where they are."""
    script = str(Path(sys.argv[0]).absolute().parent) if sys.argv else ""
    for entry in entries:
        path = Path(entry)
        if entry == script and entry not in asked.split(os.pathsep):
            continue  # it is not on the path of a worker
        if entry and path.is_absolute() and path.exists():
            yield path
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):  # setuptools' way to install what is worked on
            yield from map(Path, getattr(module, "MAPPING", {}).values())
