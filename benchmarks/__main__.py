"""`python -m benchmarks` runs every benchmark."""

import pkgutil
import runpy

import benchmarks

for module in pkgutil.iter_modules(benchmarks.__path__):
    if module.name not in ("__main__", "corpora", "measuring", "mutants", "straightforward"):
        runpy.run_module(f"benchmarks.{module.name}", run_name="__main__")
