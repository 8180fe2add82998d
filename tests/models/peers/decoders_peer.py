"""Opens folders with transformers. Usage: decoders_peer.py FILE: a list of {folder, ids}; prints what each one gives."""

import json
import sys

import torch
import transformers

out = []
for case in json.load(open(sys.argv[1])):
    config = transformers.AutoConfig.from_pretrained(case["folder"])
    kind = getattr(transformers, config.architectures[0])
    model, info = kind.from_pretrained(case["folder"], output_loading_info=True, attn_implementation="eager")
    model.eval()
    with torch.no_grad():
        logits = model(input_ids=torch.tensor(case["ids"])).logits
    unread = [*info["missing_keys"], *info["unexpected_keys"]]
    out.append(dict(architecture=kind.__name__, unread=unread, logits=logits.flatten().tolist()))
json.dump(out, sys.stdout)
