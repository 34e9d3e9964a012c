"""g++ that compiles no code twice: GeNN builds a model anew, of the same C++ for other steps or seeds.

The tests' $CXX, see conftest.py. Objects are kept in $KEPT_OBJECTS by the hash of the flags and of the
preprocessed code, whatever the folder is; code that g++ warns of is compiled, and warned of, each time. Code
that is compiled and linked at once, as that of model.cc is, becomes an object first.
"""

import hashlib
import os
import shutil
import subprocess
import sys


def compile_or_copy(arguments: list[str]) -> None:
    """g++ -c."""
    target = arguments[arguments.index("-o") + 1]
    others = [a for a in arguments if a not in ("-c", "-o", target, "-MMD", "-MP")]
    code = subprocess.run(["g++", "-E", "-P", *others], check=True, stdout=subprocess.PIPE).stdout
    in_code = ("-I", "-D")  # what these say is in the preprocessed code
    flags = [a for a in others if a.startswith("-") and not a.startswith(in_code)]
    key = hashlib.sha256(repr(flags).encode() + code).hexdigest()
    kept = os.path.join(os.environ["KEPT_OBJECTS"], key)  # noqa: PTH118  (pathlib takes longer to import)
    with open(os.path.splitext(target)[0] + ".d", "a"):  # noqa: PTH122, PTH123
        pass  # make looks for it, and compiles again where it is newer than the object
    if os.path.exists(kept):  # noqa: PTH110
        shutil.copy(kept, target)
        return
    done = subprocess.run(["g++", *arguments], check=False, stderr=subprocess.PIPE)
    sys.stderr.buffer.write(done.stderr)
    if done.returncode:
        sys.exit(done.returncode)
    if not done.stderr:
        shutil.copy(target, f"{kept}.{os.getpid()}")
        os.replace(f"{kept}.{os.getpid()}", kept)


arguments = sys.argv[1:]
sources = [a for a in arguments if a.endswith(".cc")]
if "-c" in arguments:
    compile_or_copy(arguments)
else:
    if len(sources) == 1 and "-o" in arguments:
        target = arguments[arguments.index("-o") + 1]
        compiled = [a for a in arguments if a != target and not a.startswith(("-L", "-l", "-Wl,"))]
        compiled.insert(compiled.index("-o") + 1, f"{target}.o")
        compile_or_copy(["-c", *compiled])
        arguments = [f"{target}.o" if a == sources[0] else a for a in arguments]
    os.execvp("g++", ["g++", *arguments])
