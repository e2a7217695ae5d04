"""The process that runs one model over some pictures, and ends. It knows nothing of the house, nor of whose they are.

It is started by `running` as a file, not as a module of the package. Standard input: a line of JSON (limits, size of
the model, number of pictures, mean and std of its channels), the model, the pictures as .npy of bytes, rows × columns
× channels. Standard output: an empty object, then the outputs as .npy; or the object that names the fault.
"""

from __future__ import annotations

import json
import resource
import sys
from io import BytesIO
from typing import Any

LARGEST = 64 << 20  # bytes of one output


def main() -> int:
    """Do what standard input asks for; returns the exit code."""
    told = json.loads(sys.stdin.buffer.readline())
    resource.setrlimit(resource.RLIMIT_AS, (told["memory"], told["memory"]))
    resource.setrlimit(resource.RLIMIT_CPU, (told["seconds"], told["seconds"] + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        out = _run(told)
    except MemoryError:
        out = _fault("memory", "")
    except Exception as error:  # whatever a model leads the runtime to
        out = _fault("memory" if "bad_alloc" in str(error) else "model", str(error))
    sys.stdout.buffer.write(out)
    return 0


def _fault(fault: str, said: str) -> bytes:
    return json.dumps({"fault": fault, "said": said[:300]}).encode() + b"\n"


def _run(told: dict[str, Any]) -> bytes:
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    given = BytesIO(sys.stdin.buffer.read())
    model = given.read(told["model"])
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1 or inputs[0].type != "tensor(float)":
        return _fault("input", ", ".join(f"{one.name}: {one.type}" for one in inputs))
    if not outputs or outputs[0].type != "tensor(float)":
        return _fault("output", ", ".join(f"{one.name}: {one.type}" for one in outputs))
    out = BytesIO()
    out.write(b"{}\n")
    mean, std = (np.array(told[name], np.float32) for name in ("mean", "std"))
    for _ in range(told["pictures"]):
        picture = np.lib.format.read_array(given, allow_pickle=False).astype(np.float32) / 255
        tensor = np.ascontiguousarray(((picture - mean) / std).transpose(2, 0, 1)[None], np.float32)
        found = session.run([outputs[0].name], {inputs[0].name: tensor})[0]
        if found.nbytes > LARGEST:
            return _fault("output", str(found.shape))
        np.lib.format.write_array(out, found, allow_pickle=False)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
