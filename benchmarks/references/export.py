"""The plain ONNX graph of a Hugging Face classifier, as introductions export it: padded, no optimiser of ours.

python export.py MODEL_DIRECTORY OUTPUT_DIRECTORY
"""

import shutil
import sys
from pathlib import Path

import torch
from transformers import AutoModelForSequenceClassification

if __name__ == "__main__":
    source, out = Path(sys.argv[1]), Path(sys.argv[2])
    model = AutoModelForSequenceClassification.from_pretrained(source, attn_implementation="eager").eval()
    model.config.return_dict = False
    ids = torch.randint(5, 1000, (2, 16))
    out.mkdir(parents=True, exist_ok=True)
    torch.onnx.export(
        model,
        (ids, torch.ones_like(ids)),
        str(out / "model.onnx"),
        opset_version=17,
        dynamo=False,
        input_names=["input_ids", "attention_mask"],
        output_names=["logits"],
        dynamic_axes={
            "input_ids": {0: "batch", 1: "sequence"},
            "attention_mask": {0: "batch", 1: "sequence"},
            "logits": {0: "batch"},
        },
    )
    shutil.copyfile(source / "tokenizer.json", out / "tokenizer.json")
