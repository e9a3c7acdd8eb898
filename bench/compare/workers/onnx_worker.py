"""ONNX Runtime: acting, with all steps of the flow in one graph; one written here, or the file that
this project exports."""

import subprocess
import tempfile

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from protocol import Workload, serve
from safetensors.numpy import load_file

FLOW_STEPS, EMBEDDING, OUTPUT_SCALE = 10, 8, 0.25


class Graph:
    """Collects nodes and constants."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, name: str, value: np.ndarray) -> str:
        self.constants.append(numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def add(self, kind: str, *inputs: str, **attributes) -> str:
        name = f"{kind}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], **attributes))
        return name


def flow(tensors: dict[str, np.ndarray], rows: int) -> bytes:
    """The graph from observations and noises to actions."""
    graph = Graph()
    policy = {
        name: graph.constant(name, x) for name, x in tensors.items() if name.startswith("policy.")
    }
    layers = len(policy) // 2
    step_size = graph.constant("step_size", OUTPUT_SCALE / FLOW_STEPS)
    x = "noises"
    for k in range(FLOW_STEPS):
        angles = (1 - k / FLOW_STEPS) * 2.0 ** np.arange(EMBEDDING // 2)
        embedding = np.tile(np.concatenate([np.cos(angles), np.sin(angles)]), (rows, 1))
        y = graph.add(
            "Concat", "observations", x, graph.constant(f"embedding{k}", embedding), axis=-1
        )
        for i in range(layers):
            y = graph.add("Gemm", y, policy[f"policy.{i}.weight"], policy[f"policy.{i}.bias"])
            if i < layers - 1:
                y = graph.add("Mul", y, graph.add("Sigmoid", y))
        x = graph.add("Sub", x, graph.add("Mul", y, step_size))
    graph.nodes.append(helper.make_node("Identity", [x], ["actions"]))

    def value(name, array):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, array.shape[1]])

    observations, noises = (
        value(name, tensors[f"act.{name}"]) for name in ("observations", "noises")
    )
    actions = value("actions", tensors["act.noises"])
    proto = helper.make_graph(
        graph.nodes, "flow", [observations, noises], [actions], graph.constants
    )
    opset = [helper.make_opsetid("", 21)]
    return helper.make_model(proto, opset_imports=opset, ir_version=10).SerializeToString()


def exported(request: dict) -> str:
    """The path of the exported policy."""
    with tempfile.NamedTemporaryFile(suffix=".onnx", delete=False) as file:
        subprocess.run([request["exporter"], "export", request["inputs"], file.name], check=True)
    return file.name


def make(request: dict) -> Workload:
    tensors = load_file(request["inputs"])
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = request["threads"]
    options.inter_op_num_threads = 1
    if request["work"] == "deploy":
        graph, rows, names = exported(request), 1, ("observation", "noise")
    else:
        rows, names = request["rows"], ("observations", "noises")
        graph = flow(tensors, rows)
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    arrays = (tensors[f"act.{name}"][:rows] for name in ("observations", "noises"))
    inputs = dict(zip(names, arrays, strict=True))

    def call():
        return session.run(None, inputs)[0]

    return Workload(call, {"actions": call().flatten().tolist()})


if __name__ == "__main__":
    serve(make)
