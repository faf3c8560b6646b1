#!/bin/sh
# Makes .venv with Python 3.10 and the packages of requirements.lock. Does nothing when that is done already.
# TORCH_BACKEND=cpu (or any other that `uv pip install --torch-backend` knows) takes torch from PyTorch's own index.
set -eu
cd "$(dirname "$0")/.."

# Trust the certificates that this machine trusts (a proxy may have brought its own), as pip does.
export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-true}"

wanted="$(cksum <requirements.lock) ${TORCH_BACKEND:-}"
[ "$(cat .venv/.installed 2>/dev/null || true)" = "$wanted" ] && exit 0

say() { printf '\n[set-up %s] %s\n' "$1" "$2" >&2; }

# Prints the path of a Python 3.10 that really runs (pyenv leaves a `python3.10` on PATH that doesn't).
find_python310() {
    pyenv_root=$(pyenv root 2>/dev/null || echo "$HOME/.pyenv")
    for candidate in python3.10 "$pyenv_root"/versions/3.10.*/bin/python; do
        "$candidate" -c 'import sys; sys.version_info[:2] == (3, 10) or sys.exit(1); print(sys.executable)' 2>/dev/null && return
    done
    return 1
}

say 1/3 "looking for Python 3.10 and uv"
python310=$(find_python310) || python310=
if command -v uv >/dev/null 2>&1; then
    uv=uv
else
    uv=.uv/bin/uv
    if ! [ -x "$uv" ]; then
        any_python=${python310:-$(command -v python3 || command -v python || true)}
        [ -n "$any_python" ] || { echo "Set-up needs some Python 3 on PATH to fetch uv with: install one and try again." >&2; exit 2; }
        "$any_python" -m venv .uv && .uv/bin/python -m pip install --quiet --disable-pip-version-check uv || {
            rm -rf .uv
            echo "Set-up could not fetch uv: see the lines above, or put uv on PATH yourself and try again." >&2
            exit 2
        }
    fi
fi
if [ -n "$python310" ]; then
    echo "Python 3.10: $python310" >&2
else
    echo "No Python 3.10 here: uv downloads one." >&2
    python310=3.10
fi

say 2/3 "making .venv"
"$uv" venv --quiet --clear --python "$python310" .venv

say 3/3 "installing the packages of requirements.lock (about 7 GB on Linux: PyPI's torch brings CUDA libraries)"
if [ -z "${TORCH_BACKEND:-}" ]; then
    "$uv" pip sync --python .venv/bin/python --require-hashes requirements.lock
else
    # Another index's torch has other hashes: it is installed by version, without the CUDA packages that only PyPI's needs.
    torch=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)
    awk '/^[a-z]/ { keep = !/^(torch|triton|nvidia-|cuda-)/ } keep' requirements.lock >.venv/without-torch.lock
    "$uv" pip sync --python .venv/bin/python --require-hashes .venv/without-torch.lock
    "$uv" pip install --python .venv/bin/python --torch-backend "$TORCH_BACKEND" "$torch"
fi
echo "$wanted" >.venv/.installed
