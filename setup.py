"""Build the one extension, `gateway._native`; everything else is in pyproject.toml."""

from glob import glob

from Cython.Build import cythonize
from setuptools import Extension, setup

NATIVE = Extension(
    "gateway._native",
    ["_native/_native.pyx"],
    # Naming every part here also puts it into the sdist.
    depends=sorted(glob("_native/*.p[xy]*")),
    extra_compile_args=["-O3", "-Wno-unused-function"],
)

setup(
    ext_modules=cythonize(
        [NATIVE],
        include_path=["."],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "cdivision": True,
            "initializedcheck": False,
            "auto_pickle": False,
            "autotestdict": False,
        },
    )
)
