"""Writes into folders.json what Python's `transformers` makes of each of its folders.

    pip install transformers==5.24.0 tokenizers==0.23.3 && python tests/text/golden/folders.py
"""
import json
import pathlib
import tempfile

import tokenizers
import transformers

here = pathlib.Path(__file__).parent
golden = json.loads((here / "folders.json").read_text())
sizes = dict(vocab_size=2000, hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)

for case in golden["cases"]:
    tiny = here / f"../../tiny/tokenizer-{case['base']}"
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        files = {"config.json": {"model_type": "bert", **sizes}}
        if not case.get("vocabOnly"):
            files["tokenizer.json"] = {**json.loads((tiny / "tokenizer.json").read_text()), **case.get("changes", {})}
        for name, file in (("config", "tokenizer_config"), ("map", "special_tokens_map"), ("added", "added_tokens")):
            if name in case:
                files[f"{file}.json"] = case[name]
        for name, content in files.items():
            (path / name).write_text(json.dumps(content))
        (path / "vocab.txt").write_text((tiny / "vocab.txt").read_text())
        tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
        case["ids"] = [tokenizer(text, truncation=True)["input_ids"] for text in golden["texts"]]

lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in golden["cases"]]
generator = f"folders.py, transformers {transformers.__version__}, tokenizers {tokenizers.__version__}"
texts = json.dumps(golden["texts"], ensure_ascii=False)
body = ",\n".join(lines)
(here / "folders.json").write_text(f'{{"generator":"{generator}","texts":{texts},"cases":[\n{body}\n]}}\n')
