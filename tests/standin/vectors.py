# SPDX-License-Identifier: Apache-2.0
"""Vectors between JSON and storage: checked, cast to float32, normalised for cosine, sorted when sparse."""
from array import array

import numpy as np
from qdrant_client.http import models

from .errors import format_error, invalid_body, unknown_vector, wrong_dimension, wrong_input

NORMAL_TOLERANCE = np.float32(1e-6)
LENGTH_MIN = np.float32(1.1920929e-7)
UNREADABLE = "data did not match any variant of untagged enum VectorStruct"
SPARSE_KEYS = {"indices", "values"}
INFERENCE_KEYS = {"model", "text", "image", "object"}


def floats(values: list) -> np.ndarray:
    """A float32 array; a double beyond float32 becomes infinity, as a cast does there."""
    try:
        return np.frombuffer(array("f", values), dtype=np.float32)
    except (TypeError, OverflowError):
        raise format_error(UNREADABLE) from None


def decode(value):
    """One vector as JSON: a float32 array (one or two dimensions) or a SparseVector."""
    if isinstance(value, list):
        return decode_rows(value) if value and isinstance(value[0], list) else floats(value)
    if isinstance(value, dict) and SPARSE_KEYS <= value.keys():
        return decode_sparse(value)
    if isinstance(value, dict) and INFERENCE_KEYS & value.keys():
        raise wrong_input("InferenceService is not initialized. Please check if it was properly configured")
    raise format_error(UNREADABLE)


def decode_rows(rows: list) -> np.ndarray:
    if not all(isinstance(row, list) for row in rows):
        raise format_error(UNREADABLE)
    sizes = {len(row) for row in rows}
    if len(sizes) != 1 or 0 in sizes:
        raise invalid_body("all vectors must have the same dimension")
    return np.stack([floats(row) for row in rows])


def decode_sparse(value: dict) -> models.SparseVector:
    indices, values = value["indices"], value["values"]
    if not (isinstance(indices, list) and isinstance(values, list)):
        raise format_error(UNREADABLE)
    if not all(type(index) is int and 0 <= index < 2**32 for index in indices):
        raise format_error(UNREADABLE)
    if len(indices) != len(values):
        raise invalid_body("values: must be the same length as indices")
    if len(set(indices)) != len(indices):
        raise invalid_body("indices: must be unique")
    order = sorted(range(len(indices)), key=indices.__getitem__)
    weights = floats(values).tolist()
    return models.SparseVector.model_construct(indices=[indices[at] for at in order],
                                               values=[weights[at] for at in order])


def decode_struct(value) -> dict:
    """The `vector` of a point as a map from name to vector; the unnamed one has the name ""."""
    if isinstance(value, dict) and not SPARSE_KEYS <= value.keys() and not (INFERENCE_KEYS & value.keys()
                                                                            and "model" in value):
        return {name: decode(vector) for name, vector in value.items()}
    return {"": decode(value)}


def check(rows, vectors: dict) -> None:
    """Refuse unknown names, wrong kinds and wrong sizes before anything of the request is applied."""
    for name, vector in vectors.items():
        if name in rows.sparse_vectors:
            if not isinstance(vector, models.SparseVector):
                raise wrong_input("Conversion between sparse and regular vectors failed")
        elif name in rows.vectors or name in rows.multivectors:
            check_dense(rows, name, vector)
        else:
            raise unknown_vector(name)


def check_dense(rows, name: str, vector) -> None:
    if isinstance(vector, models.SparseVector):
        raise wrong_input("Conversion between sparse and regular vectors failed")
    size = rows.get_vector_params(name).size
    if vector.ndim == 2 and name in rows.vectors:
        raise wrong_input("Conversion between multi and regular vectors failed")
    if vector.shape[-1] != size:
        raise wrong_dimension(size, vector.shape[-1])


def prepare(params: models.VectorParams, vector: np.ndarray) -> np.ndarray:
    """What is stored for a dense or multi vector: cast to the datatype, normalised for cosine."""
    if params.multivector_config is not None and vector.ndim == 1:
        vector = vector[np.newaxis, :]
    if params.distance == models.Distance.COSINE:
        vector = normalise(vector) if vector.ndim == 1 else np.stack([normalise(row) for row in vector])
    if params.datatype == models.Datatype.FLOAT16:
        vector = vector.astype(np.float16).astype(np.float32)
    elif params.datatype == models.Datatype.UINT8:
        vector = np.trunc(np.clip(vector, 0, 255))
    return vector


def normalise(vector: np.ndarray) -> np.ndarray:
    """Unit length, computed in float32; zero and already normal vectors keep their bits."""
    length = np.dot(vector, vector)
    if length < LENGTH_MIN or abs(length - np.float32(1)) <= NORMAL_TOLERANCE:
        return vector
    return vector / np.sqrt(length)


def to_json(vector):
    """The stored vector as something jsonio.encode spells in float32."""
    if isinstance(vector, models.SparseVector):
        return {"indices": vector.indices, "values": np.array(vector.values, dtype=np.float32)}
    return np.ascontiguousarray(vector)
