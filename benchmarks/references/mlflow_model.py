"""The same ONNX graph as a model of MLflow, by its documented way for own code: a python_function.

python mlflow_model.py DIRECTORY_WITH_MODEL_AND_TOKENIZER WHERE_TO_SAVE
"""

import sys
from pathlib import Path

import mlflow
import mlflow.models
import numpy as np
from mlflow.pyfunc import PythonModel, PythonModelContext


class Classifier(PythonModel):  # type: ignore[misc]  # MLflow comes without types
    def load_context(self, context: PythonModelContext) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        directory = Path(context.artifacts["model"])
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(directory / "model.onnx", options)
        self.tokenizer = Tokenizer.from_file(str(directory / "tokenizer.json"))
        self.tokenizer.enable_truncation(128)
        self.tokenizer.enable_padding()

    def predict(self, context: PythonModelContext, model_input: list[str]) -> list[dict[str, object]]:
        encodings = self.tokenizer.encode_batch(list(model_input))
        logits = self.session.run(
            ["logits"],
            {
                "input_ids": np.array([encoding.ids for encoding in encodings], np.int64),
                "attention_mask": np.array([encoding.attention_mask for encoding in encodings], np.int64),
            },
        )[0]
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        rows = (exponentials / exponentials.sum(axis=1, keepdims=True)).tolist()
        return [{"label": "positive" if row[1] > 0.5 else "negative", "probabilities": row} for row in rows]


mlflow.models.set_model(Classifier())

if __name__ == "__main__":
    mlflow.pyfunc.save_model(sys.argv[2], python_model=__file__, artifacts={"model": sys.argv[1]})
