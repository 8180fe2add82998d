"""Whole steps of fine-tuning a MiniLM-like BERT in plain PyTorch, as a well-tuned program would do them on a CPU: the peer of bench/minilm.ts.

Usage: minilm_finetune.py JOB.json      then, line by line on standard input: {"from": a, "to": b}
JOB: {"weights": path of model.safetensors, "config": config.json as an object, "labels": n, "label_smoothing": e, "dropout": p,
      "head_multiplier": k, "weight_decay": d, "max_grad_norm": c, "threads": t,
      "steps": [{"learning_rate": lr, "texts": [[id, ...], ...], "labels": [id, ...]}, ...]}
Answers on standard output, one JSON line each: first {"ready": true, "torch": version, "adamw": kind}, then for every request
{"seconds": wall, "cpu_seconds": processor time, "loss": of the last step}.

Fairness: one batch of 32 texts of like length, padded to its longest; queries, keys and values in one product; fused attention;
vectorized optimizer, whichever of PyTorch's two is faster here; denormals flushed; no autograd anomaly checks, no hooks.
"""
import json
import struct
import sys
import time

import torch
import torch.nn as nn
import torch.nn.functional as F


class Layer(nn.Module):
    def __init__(self, width, heads, inner, eps, p):
        super().__init__()
        self.heads, self.p = heads, p
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(width, eps=eps)
        self.up = nn.Linear(width, inner)
        self.down = nn.Linear(inner, width)
        self.norm2 = nn.LayerNorm(width, eps=eps)

    def forward(self, x, mask):
        B, T, C = x.shape
        q, k, v = self.qkv(x).view(B, T, 3, self.heads, C // self.heads).permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=self.p)
        mixed = mixed.transpose(1, 2).reshape(B, T, C)
        x = self.norm1(x + F.dropout(self.out(mixed), self.p))
        return self.norm2(x + F.dropout(self.down(F.gelu(self.up(x))), self.p))


class Classifier(nn.Module):
    def __init__(self, config, labels, p):
        super().__init__()
        width, eps = config["hidden_size"], config["layer_norm_eps"]
        self.p = p
        self.words = nn.Embedding(config["vocab_size"], width)
        self.positions = nn.Embedding(config["max_position_embeddings"], width)
        self.types = nn.Embedding(config["type_vocab_size"], width)
        self.norm = nn.LayerNorm(width, eps=eps)
        self.layers = nn.ModuleList(
            Layer(width, config["num_attention_heads"], config["intermediate_size"], eps, p) for _ in range(config["num_hidden_layers"]))
        self.head = nn.Linear(width, labels)

    def forward(self, ids, mask):
        T = ids.shape[1]
        x = self.norm(self.words(ids) + self.positions.weight[:T] + self.types.weight[0])
        x = F.dropout(x, self.p)
        full = mask.all()
        bias = None if full else mask[:, None, None, :]
        for layer in self.layers:
            x = layer(x, bias)
        weight = mask.to(x.dtype).unsqueeze(-1)
        pooled = (x * weight).sum(1) / weight.sum(1)
        return self.head(F.dropout(pooled, self.p))


def read_safetensors(path):
    with open(path, "rb") as file:
        data = file.read()
    (size,) = struct.unpack("<Q", data[:8])
    header = json.loads(data[8:8 + size])
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = (8 + size + offset for offset in entry["data_offsets"])
        tensors[name.removeprefix("bert.")] = torch.frombuffer(bytearray(data[begin:end]), dtype=torch.float32).reshape(entry["shape"])
    return tensors


def load(model, tensors):
    def put(module, name):
        module.weight.data.copy_(tensors[f"{name}.weight"])
        if getattr(module, "bias", None) is not None:
            module.bias.data.copy_(tensors[f"{name}.bias"])
    put(model.words, "embeddings.word_embeddings")
    put(model.positions, "embeddings.position_embeddings")
    put(model.types, "embeddings.token_type_embeddings")
    put(model.norm, "embeddings.LayerNorm")
    for i, layer in enumerate(model.layers):
        at = f"encoder.layer.{i}"
        parts = [f"{at}.attention.self.{part}" for part in ("query", "key", "value")]
        layer.qkv.weight.data.copy_(torch.cat([tensors[f"{part}.weight"] for part in parts]))
        layer.qkv.bias.data.copy_(torch.cat([tensors[f"{part}.bias"] for part in parts]))
        put(layer.out, f"{at}.attention.output.dense")
        put(layer.norm1, f"{at}.attention.output.LayerNorm")
        put(layer.up, f"{at}.intermediate.dense")
        put(layer.down, f"{at}.output.dense")
        put(layer.norm2, f"{at}.output.LayerNorm")


def batch(step):
    length = max(len(text) for text in step["texts"])
    ids = torch.zeros(len(step["texts"]), length, dtype=torch.long)
    mask = torch.zeros(len(step["texts"]), length, dtype=torch.bool)
    for row, text in enumerate(step["texts"]):
        ids[row, :len(text)] = torch.tensor(text)
        mask[row, :len(text)] = True
    return ids, mask, torch.tensor(step["labels"])


def groups(model, job):
    sets = {}
    for name, parameter in model.named_parameters():
        decay = job["weight_decay"] if parameter.dim() > 1 else 0.0
        scale = job["head_multiplier"] if name.startswith("head.") else 1
        sets.setdefault((decay, scale), []).append(parameter)
    return [{"params": parameters, "weight_decay": decay, "scale": scale, "lr": 0.0} for (decay, scale), parameters in sets.items()]


def faster_adamw(model, job):
    """The faster of PyTorch's two, tried on copies so that the weights stay as they are."""
    def seconds(kind):
        copies = [{**group, "params": [nn.Parameter(p.detach().clone()) for p in group["params"]]} for group in groups(model, job)]
        optimizer = torch.optim.AdamW(copies, **{kind: True})
        for group in copies:
            for parameter in group["params"]:
                parameter.grad = torch.zeros_like(parameter)
        best = float("inf")
        for _ in range(4):
            start = time.process_time()
            optimizer.step()
            best = min(best, time.process_time() - start)
        return best
    kind = min(("fused", "foreach"), key=seconds)
    return torch.optim.AdamW(groups(model, job), **{kind: True}), kind


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    torch.set_flush_denormal(True)
    torch.manual_seed(1)
    model = Classifier(job["config"], job["labels"], job["dropout"])
    load(model, read_safetensors(job["weights"]))
    optimizer, kind = faster_adamw(model, job)
    parameters = list(model.parameters())
    print(json.dumps({"ready": True, "torch": torch.__version__, "adamw": kind}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        wall, cpu = time.perf_counter(), time.process_time()
        loss = torch.zeros(())
        for step in job["steps"][request["from"]:request["to"]]:
            ids, mask, labels = batch(step)
            for group in optimizer.param_groups:
                group["lr"] = step["learning_rate"] * group["scale"]
            optimizer.zero_grad(set_to_none=True)
            loss = F.cross_entropy(model(ids, mask), labels, label_smoothing=job["label_smoothing"])
            loss.backward()
            nn.utils.clip_grad_norm_(parameters, job["max_grad_norm"], foreach=True)
            optimizer.step()
        print(json.dumps({"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu, "loss": loss.item()}), flush=True)


main()
