"""Writes sampling.json: what Hugging Face's logits processors leave of a vocabulary, and with which probabilities.

    pip install transformers==5.24.0 torch==2.15.0 && python tests/generate/golden/sampling.py

Ids that are left out have no entry. Presence and frequency penalties are no processors there: their cases are computed
here from OpenAI's definition. The order is the one in which `generate` itself puts the processors.
"""
import json
import pathlib

import torch
import transformers
from transformers import (
    LogitsProcessorList,
    MinNewTokensLengthLogitsProcessor,
    MinPLogitsWarper,
    RepetitionPenaltyLogitsProcessor,
    SequenceBiasLogitsProcessor,
    TemperatureLogitsWarper,
    TopKLogitsWarper,
    TopPLogitsWarper,
)

V = 40
END = 3
CASES = [
    {"temperature": 1},
    {"temperature": 0.7},
    {"temperature": 1.9, "topK": 5},
    {"temperature": 1, "topP": 0.9},
    {"temperature": 1, "topP": 0.3},
    {"temperature": 1.3, "minP": 0.05},
    {"temperature": 0.8, "topK": 12, "topP": 0.8, "minP": 0.02},
    {"temperature": 1, "repetitionPenalty": 1.4},
    {"temperature": 1, "repetitionPenalty": 0.6, "topK": 7},
    {"temperature": 1, "logitBias": {"5": 3.5, "17": -2, "0": 1}, "topP": 0.7},
    {"temperature": 0.9, "logitBias": {"3": 9}, "minTokens": 4},
    {"temperature": 1, "presencePenalty": 0.8, "frequencyPenalty": 0.4},
    {"temperature": 0.6, "logitBias": {"8": 2}, "repetitionPenalty": 1.2, "presencePenalty": -0.5, "minTokens": 9,
     "topK": 20, "topP": 0.95, "minP": 0.01},
]


def main():
    torch.manual_seed(5)
    out = []
    for case in CASES:
        for _ in range(3):
            logits = (torch.randn(V) * 3).float()
            prompt = torch.randint(0, V, (6,)).tolist()
            answer = torch.randint(4, V, (5,)).tolist()
            answer[4] = answer[1]
            ids = torch.tensor([prompt + answer])
            scores = logits[None].double()
            processors = LogitsProcessorList()
            if "logitBias" in case:
                bias = {(int(id),): float(value) for id, value in case["logitBias"].items()}
                scores = SequenceBiasLogitsProcessor([[list(k), v] for k, v in bias.items()])(ids, scores.float()).double()
            if "repetitionPenalty" in case:
                scores = RepetitionPenaltyLogitsProcessor(penalty=case["repetitionPenalty"])(ids, scores)
            for id in set(answer):
                scores[0, id] -= case.get("presencePenalty", 0) + answer.count(id) * case.get("frequencyPenalty", 0)
            if case.get("minTokens", 0) > 0:
                processors.append(MinNewTokensLengthLogitsProcessor(len(prompt), case["minTokens"], [END]))
            if case["temperature"] != 1:
                processors.append(TemperatureLogitsWarper(float(case["temperature"])))
            if "topK" in case:
                processors.append(TopKLogitsWarper(case["topK"]))
            if "topP" in case:
                processors.append(TopPLogitsWarper(case["topP"]))
            if "minP" in case:
                processors.append(MinPLogitsWarper(case["minP"]))
            probabilities = torch.softmax(processors(ids, scores), -1)[0]
            left = {id: p for id, p in enumerate(probabilities.tolist()) if p > 0}
            out.append({
                "settings": case,
                "logits": logits.tolist(),
                "prompt": prompt,
                "answer": answer,
                "ids": list(left),
                "probabilities": [float(f"{p:.9g}") for p in left.values()],
            })
    lines = ",\n".join("    " + json.dumps(one) for one in out)
    made = f"tests/generate/golden/sampling.py, transformers {transformers.__version__}, torch {torch.__version__}"
    text = f'{{\n  "madeBy": {json.dumps(made)},\n  "end": {END},\n  "cases": [\n{lines}\n  ]\n}}\n'
    (pathlib.Path(__file__).parent / "sampling.json").write_text(text)


main()
