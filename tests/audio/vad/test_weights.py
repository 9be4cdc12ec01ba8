"""What the network multiplies by is float32, contiguous and of the shapes that the batch relies on."""

import numpy as np

from opusagent.audio.vad.weights import laid_out, load_weights


def test_every_matrix_takes_rows_from_the_left() -> None:
    weights = load_weights()
    assert weights.stft.shape == (256, 258)
    assert [(layer.matrix.shape, layer.stride) for layer in weights.layers] == [
        ((3 * 129, 128), 1),
        ((3 * 128, 64), 2),
        ((3 * 64, 64), 2),
        ((3 * 64, 128), 1),
    ]
    assert (weights.lstm.shape, weights.lstm_bias.shape) == ((256, 512), (512,))
    assert (weights.out.shape, weights.out_bias.shape) == ((128,), (1,))


def test_every_matrix_is_float32_in_one_piece() -> None:
    """Anything else is converted or gathered anew in each product."""
    weights = load_weights()
    matrices = [weights.stft, weights.lstm, *(layer.matrix for layer in weights.layers)]
    assert all(matrix.dtype == np.float32 and matrix.flags.c_contiguous for matrix in matrices)


def test_the_gates_with_a_sigmoid_are_halved_and_the_candidate_is_not() -> None:
    arrays = {
        f"c{layer}{kind}": np.zeros((1, 1, 3) if kind == "w" else 1, np.float32) for layer in range(4) for kind in "wb"
    }
    arrays |= {
        "stft": np.zeros((2, 1, 2), np.float32),
        "fw": np.zeros((1, 1, 1), np.float32),
        "fb": np.zeros(1, np.float32),
    }
    arrays |= {"weight_ih": np.array([[1], [2], [3], [4]], np.float32), "bias_ih": np.array([1, 2, 3, 4], np.float32)}
    arrays |= {"weight_hh": np.array([[5], [6], [7], [8]], np.float32), "bias_hh": np.array([5, 6, 7, 8], np.float32)}
    weights = laid_out(arrays)
    assert weights.lstm.tolist() == [[0.5, 1.0, 3.0, 2.0], [2.5, 3.0, 7.0, 4.0]]
    assert weights.lstm_bias.tolist() == [3.0, 4.0, 10.0, 6.0]
