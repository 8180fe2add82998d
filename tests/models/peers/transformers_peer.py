"""The other side of the round trip: opens and writes folders with Python's transformers. One command, JSON in and out.

  read FOLDER           opens it as its config.json says; for each text of standard input (a JSON list): token ids, and the logits, or the
                        mean over the last hidden states where the folder is an encoder; one text at a time, in float32
  write FOLDER FAMILY   a small classifier of that family (its model_type) with random weights and its tokenizer, saved by save_pretrained
  resave FROM FOLDER    opens FROM and saves it again
"""

import json
import os
import sys
import tempfile

os.environ["HF_HUB_OFFLINE"] = "1"

import torch  # noqa: E402
import transformers  # noqa: E402
from transformers import AutoConfig, AutoModel, AutoModelForSequenceClassification, AutoTokenizer  # noqa: E402

transformers.logging.set_verbosity_error()
torch.set_num_threads(1)


def load(folder):
    architecture = AutoConfig.from_pretrained(folder).architectures[0]
    kind = AutoModelForSequenceClassification if architecture.endswith("ForSequenceClassification") else AutoModel
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


def wordpiece(kind):
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)] + list("0123456789.,?!'-")
    words = ["where", "is", "my", "card", "how", "do", "i", "the", "weather", "money", "send", "what", "##s", "##ing", "##ed"]
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters), *(word for word in words if word not in letters and word[2:] not in letters)]
    with tempfile.TemporaryDirectory() as scratch:
        source = os.path.join(scratch, "vocab.txt")
        with open(source, "w", encoding="utf-8") as file:
            file.write("\n".join(vocabulary) + "\n")
        return getattr(transformers, kind)(vocab_file=source, do_lower_case=True, model_max_length=40), len(vocabulary)


SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LINES = ["where is my card", "how do i send money", "the weather in the city", "my card is lost and nobody can say where"] * 4


def trained(model, trainer, pre_tokenizer):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer(model)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.train_from_iterator(LINES, trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_level():
    from tokenizers import models, pre_tokenizers, trainers

    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, special_tokens=SPECIAL, initial_alphabet=alphabet, show_progress=False)
    model = trained(models.BPE(), trainer, pre_tokenizers.ByteLevel(add_prefix_space=False))
    merges = [tuple(merge) for merge in model["merges"]]
    return transformers.RobertaTokenizer(vocab=model["vocab"], merges=merges, model_max_length=40), len(model["vocab"])


def unigram():
    from tokenizers import models, pre_tokenizers, trainers

    trainer = trainers.UnigramTrainer(vocab_size=60, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False)
    pieces = [tuple(piece) for piece in trained(models.Unigram(), trainer, pre_tokenizers.Metaspace())["vocab"]]
    return transformers.XLMRobertaTokenizer(vocab=pieces, model_max_length=40), len(pieces)


BERT = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=48)
ROBERTA = dict(**BERT, max_position_embeddings=42, type_vocab_size=1, layer_norm_eps=1e-5)
FAMILIES = {
    "bert": (lambda: wordpiece("BertTokenizerFast"), "Bert", dict(**BERT, max_position_embeddings=40)),
    "distilbert": (lambda: wordpiece("DistilBertTokenizerFast"), "DistilBert", dict(dim=32, n_layers=2, n_heads=4, hidden_dim=48, max_position_embeddings=40)),
    "roberta": (byte_level, "Roberta", ROBERTA),
    "xlm-roberta": (unigram, "XLMRoberta", ROBERTA),
}


def write(folder, family):
    torch.manual_seed(5)
    make_tokenizer, classes, sizes = FAMILIES[family]
    tokenizer, size = make_tokenizer()
    labels = ["lost card", "weather", "transfer"]
    config = getattr(transformers, f"{classes}Config")(vocab_size=size, initializer_range=0.3, id2label=dict(enumerate(labels)), label2id={label: i for i, label in enumerate(labels)}, **sizes)
    model = getattr(transformers, f"{classes}ForSequenceClassification")(config)
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
