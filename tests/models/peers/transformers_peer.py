"""The other side of the round trip: opens and writes folders with Python's transformers. One command, JSON in and out.

  read FOLDER           opens it as its config.json says; for each text of standard input (a JSON list): token ids, and the logits, or the
                        mean over the last hidden states where the folder is an encoder; one text at a time, in float32
  write FOLDER          a small BertForSequenceClassification with random weights and its tokenizer, saved by save_pretrained
  resave FROM FOLDER    opens FROM and saves it again
"""

import json
import os
import sys

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)


def load(folder):
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    kind = AutoModelForSequenceClassification if architecture == "BertForSequenceClassification" else AutoModel
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    return architecture, model.eval(), info, AutoTokenizer.from_pretrained(folder)


def read(folder):
    architecture, model, info, tokenizer = load(folder)
    items = []
    for text in json.load(sys.stdin):
        encoded = tokenizer(text, return_tensors="pt", truncation=True)
        with torch.no_grad():
            output = model(**encoded)
        values = output.logits[0] if hasattr(output, "logits") else output.last_hidden_state[0].mean(dim=0)
        items.append({"ids": encoded["input_ids"][0].tolist(), "values": values.tolist()})
    labels = [model.config.id2label[i] for i in range(model.config.num_labels)]
    json.dump({"transformers": transformers.__version__, "architecture": architecture, "labels": labels, "tokenizer": type(tokenizer).__name__,
               "model_max_length": tokenizer.model_max_length, "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"]),
               "items": items}, sys.stdout)


def write(folder):
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

    torch.manual_seed(5)
    os.makedirs(folder, exist_ok=True)
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789.,?!'-")
    words = ["where", "is", "my", "card", "how", "do", "i", "the", "weather", "money", "send", "what", "##s", "##ing", "##ed"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *(word for word in words if word not in letters and word[2:] not in letters)]
    source = os.path.join(folder, "source-vocab.txt")
    with open(source, "w", encoding="utf-8") as file:
        file.write("\n".join(vocabulary) + "\n")
    tokenizer = BertTokenizerFast(vocab_file=source, do_lower_case=True, model_max_length=40)
    os.remove(source)
    labels = ["lost card", "weather", "transfer"]
    config = BertConfig(vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48, max_position_embeddings=40,
                        initializer_range=0.3, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)})
    model = BertForSequenceClassification(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("bias"):
                parameter.normal_(0, 0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def resave(source, folder):
    _, model, _, tokenizer = load(source)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


{"read": read, "write": write, "resave": resave}[sys.argv[1]](*sys.argv[2:])
