"""One training by a recipe in plain PyTorch, with the models of `transformers`: the twin of bench/quality.

Usage: quality.py JOB.json      prints one JSON line: {"losses": [of each step], "seconds": n, "figure": on the test data}
JOB: {"weights": path of a model.safetensors with the first weights, "config": config.json as an object, "seed": n, "threads": t,
      "names": of classes by id, "phase": the phase of the recipe, "pooling": "mean",
      "data": {"ids": [...], "offsets": [...], "labels": [one an example, or one a token], "rows_each": n},
      "steps": [{"rate": r, "examples": [id, ...]}, ...], "test": as "data", with "gold": [...]}; without it nothing is measured

What is the same as there by being handed over: first weights, token ids, batches, rates. What is done here anew: model, dropout,
losses, gradients, clipping, AdamW, answers, figures (those of scipy and seqeval).
"""
import json
import os
import sys
import time

os.environ["CUDA_VISIBLE_DEVICES"] = ""

import torch
import torch.nn as nn
import torch.nn.functional as F
import transformers
from safetensors.torch import load_file

IGNORED = -100


class Rows:
    def __init__(self, data):
        self.ids, self.offsets, self.labels, self.each = data["ids"], data["offsets"], data["labels"], data["rows_each"]
        self.gold = data.get("gold")
        self.examples = (len(self.offsets) - 1) // self.each
        self.by_token = len(self.labels) == len(self.ids)

    def row(self, row):
        return self.ids[self.offsets[row]:self.offsets[row + 1]]

    def token_labels(self, row):
        return self.labels[self.offsets[row]:self.offsets[row + 1]]

    def batch(self, rows):
        return padded([self.row(row) for row in rows], 0), padded([[1] * len(self.row(row)) for row in rows], 0)


def padded(lists, fill):
    length = max(len(one) for one in lists)
    return torch.tensor([list(one) + [fill] * (length - len(one)) for one in lists])


class Encoder(nn.Module):
    """BERT, and a linear layer over the mean of its states, over each state, or none."""

    def __init__(self, config, outputs, over, pooling):
        super().__init__()
        if pooling != "mean":
            raise SystemExit(f"the twin has mean pooling only, not {pooling}")
        self.over = over
        self.bert = transformers.BertModel(transformers.BertConfig(**config), add_pooling_layer=False)
        self.p = config["classifier_dropout"]
        self.classifier = nn.Linear(config["hidden_size"], outputs) if outputs > 0 else None

    def forward(self, ids, mask):
        states = self.bert(input_ids=ids, attention_mask=mask).last_hidden_state
        if self.over == "text":
            weights = mask.unsqueeze(-1).to(states.dtype)
            states = (states * weights).sum(1) / weights.sum(1)
        if self.classifier is None:
            return states
        return self.classifier(F.dropout(states, self.p, self.training))


class Decoder(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.model = transformers.GPT2LMHeadModel(transformers.GPT2Config(**config))


class Classify:
    def __init__(self, job):
        self.model = Encoder(job["config"], len(job["names"]), "text", job["pooling"])
        self.smoothing = job["phase"]["label_smoothing"]

    def loss(self, data, examples):
        labels = torch.tensor([data.labels[example] for example in examples])
        return F.cross_entropy(self.model(*data.batch(examples)), labels, label_smoothing=self.smoothing)

    def figure(self, data):
        right = 0
        for examples in like_lengths(data):
            best = self.model(*data.batch(examples)).argmax(-1).tolist()
            right += sum(data.labels[example] == one for example, one in zip(examples, best))
        return right / data.examples


class TokenClassify:
    def __init__(self, job):
        self.names = job["names"]
        self.model = Encoder(job["config"], len(self.names), "token", job["pooling"])
        self.smoothing = job["phase"]["label_smoothing"]

    def loss(self, data, examples):
        labels = padded([data.token_labels(example) for example in examples], IGNORED)
        logits = self.model(*data.batch(examples))
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=IGNORED, label_smoothing=self.smoothing)

    def figure(self, data):
        from seqeval.metrics import f1_score
        wanted, given = [], []
        for examples in like_lengths(data):
            best = self.model(*data.batch(examples)).argmax(-1).tolist()
            for example, row in zip(examples, best):
                pairs = [(label, own) for label, own in zip(data.token_labels(example), row) if label != IGNORED]
                wanted.append([self.names[label] for label, _ in pairs])
                given.append([self.names[own] for _, own in pairs])
        return float(f1_score(wanted, given))


class Contrastive:
    def __init__(self, job):
        self.model = Encoder(job["config"], 0, "text", job["pooling"])
        self.temperature = job["phase"]["temperature"]

    def sides(self, data, examples):
        vectors = F.normalize(self.model(*data.batch([example * data.each + row for row in range(data.each) for example in examples])), dim=-1)
        return vectors[:len(examples)], vectors[len(examples):]

    def loss(self, data, examples):
        first, others = self.sides(data, examples)
        return F.cross_entropy(first @ others.T / self.temperature, torch.arange(len(examples)))

    def figure(self, data):
        from scipy.stats import spearmanr
        alike = [0.0] * data.examples
        for examples in like_lengths(data):
            first, second = self.sides(data, examples)
            for example, one in zip(examples, (first * second).sum(-1).tolist()):
                alike[example] = one
        return float(spearmanr(alike, data.gold).statistic)


class CausalLm:
    """Rows of several texts: the labels say which text of its row a token is of."""

    def __init__(self, job):
        self.model = Decoder(job["config"])
        self.apart = job["phase"]["keep_apart"]

    def loss(self, data, examples):
        ids, _ = data.batch(examples)
        texts = padded([data.token_labels(example) for example in examples], -1)
        length = ids.shape[1]
        seen = torch.ones(length, length, dtype=torch.bool).tril().expand(len(examples), length, length)
        places = torch.arange(length).expand(len(examples), length)
        if self.apart:
            same = texts.unsqueeze(1) == texts.unsqueeze(2)
            seen = seen & same
            places = places - same.int().argmax(-1)
        bias = torch.zeros(seen.shape).masked_fill(~seen, torch.finfo(torch.float32).min).unsqueeze(1)
        logits = self.model.model(input_ids=ids, attention_mask=bias, position_ids=places).logits
        asked = (texts[:, 1:] == texts[:, :-1]) & (texts[:, 1:] >= 0)
        return F.cross_entropy(logits[:, :-1][asked], ids[:, 1:][asked])


OBJECTIVES = {"classify": Classify, "token-classify": TokenClassify, "contrastive": Contrastive, "causal-lm": CausalLm}


def like_lengths(data, size=32):
    order = sorted(range(data.examples), key=lambda example: len(data.row(example * data.each)))
    return [order[at:at + size] for at in range(0, len(order), size)]


def load(model, path):
    tensors = load_file(path)
    prefix = "model." if isinstance(model, Decoder) else ""
    missing, unexpected = model.load_state_dict({prefix + name: tensor for name, tensor in tensors.items()}, strict=False)
    missing = [name for name in missing if not name.endswith(("lm_head.weight", "position_ids", ".attn.bias", ".attn.masked_bias"))]
    if missing or unexpected:
        raise SystemExit(f"first weights do not fit: missing {missing}, unexpected {unexpected}")


def optimizer_of(model, phase):
    """No decay of biases and layer norms; the head at a rate of its own."""
    sets = {}
    for name, parameter in model.named_parameters():
        decay = phase["weight_decay"] if parameter.dim() > 1 else 0.0
        scale = phase["head_multiplier"] if name.startswith("classifier.") else 1.0
        sets.setdefault((decay, scale), []).append(parameter)
    groups = [{"params": members, "weight_decay": decay, "scale": scale} for (decay, scale), members in sets.items()]
    betas = (phase["adam_beta1"], phase["adam_beta2"])
    return torch.optim.AdamW(groups, lr=0.0, betas=betas, eps=phase["adam_epsilon"])


def train(objective, data, job):
    phase, model = job["phase"], objective.model
    if phase.get("token_dropout", 0) != 0 or phase["shard_weights"] != "size":
        raise SystemExit("the twin has neither word dropout nor weights of shards")
    optimizer = optimizer_of(model, phase)
    model.train()
    losses = []
    for number, step in enumerate(job["steps"]):
        for group in optimizer.param_groups:
            group["lr"] = step["rate"] * group["scale"]
        optimizer.zero_grad(set_to_none=True)
        loss = objective.loss(data, step["examples"])
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), phase["max_grad_norm"])
        optimizer.step()
        losses.append(loss.item())
        if number % 50 == 0:
            print(f"{number}/{len(job['steps'])}, loss {losses[-1]:.3f}", file=sys.stderr, flush=True)
    return losses


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        job = json.load(file)
    torch.set_num_threads(job["threads"])
    torch.set_flush_denormal(True)
    torch.manual_seed(job["seed"])
    objective = OBJECTIVES[job["phase"]["objective"]](job)
    load(objective.model, job["weights"])
    started = time.perf_counter()
    losses = train(objective, Rows(job["data"]), job)
    outcome = {"losses": losses, "seconds": time.perf_counter() - started, "torch": torch.__version__}
    if "test" in job:
        objective.model.eval()
        with torch.no_grad():
            outcome["figure"] = objective.figure(Rows(job["test"]))
    print(json.dumps(outcome))


main()
