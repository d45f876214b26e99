"""What pyproject.toml cannot say: the records of the book go with the package."""

from pathlib import Path
from shutil import copytree, ignore_patterns

from setuptools import setup
from setuptools.command.build_py import build_py


class WithRecords(build_py):
    """Puts ``results/`` below the package; a source checkout reads its own."""

    def run(self):
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "bslutils", "results")
            copytree("results", target, ignore=ignore_patterns("*.lock"), dirs_exist_ok=True)


setup(cmdclass={"build_py": WithRecords})
